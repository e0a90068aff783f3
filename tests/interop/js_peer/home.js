// What a peer keeps between two runs: its keys, the genesis, and the batches that it wrote itself.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { KeyPair, hex, random, unhex } from './keys.js'

const KEYS = ['root', 'node', 'queen']

function writeDurably (path, text, flags) {
  const file = openSync(path, flags, 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export class Home {
  constructor (directory) {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    this.path = (name) => join(directory, name)
    if (!existsSync(this.path('keys'))) this.#write('keys', KEYS.map(() => random(32)))
    const seeds = this.#read('keys')
    KEYS.forEach((whose, index) => { this[whose] = new KeyPair(seeds[index]) })
  }

  #read (name) {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), 'utf8').split('\n').slice(0, -1).map(unhex) : []
  }

  #write (name, lines, flags = 'w') {
    writeDurably(this.path(name), lines.map((line) => `${hex(line)}\n`).join(''), flags)
  }

  get genesis () {
    return this.#read('genesis')[0]
  }

  set genesis (sealed) {
    this.#write('genesis', [sealed])
  }

  get batches () {
    return this.#read('batches')
  }

  append (batch) {
    this.#write('batches', [batch], 'a')
  }
}
