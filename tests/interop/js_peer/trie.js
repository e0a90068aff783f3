// The Merkle trie over (path, digest): 16-ary by nibbles, buckets of up to 16 entries. Only its root is needed here.

import { compare, concat, tagged } from './keys.js'

const BUCKET = 16
const DEEPEST = 8 // nibbles

const nibble = (path, depth) => (depth % 2 === 0 ? path[depth >> 1] >> 4 : path[depth >> 1] & 15)

// The hash of the node at `depth` that stands for these {path, digest}.
export function root (entries, depth = 0) {
  if (entries.length === 0) return tagged('zenmesh/trie/empty')
  if (entries.length <= BUCKET || depth === DEEPEST) {
    const sorted = [...entries].sort((a, b) => compare(a.path, b.path))
    return tagged('zenmesh/trie/leaf', ...sorted.map(({ path, digest }) => concat(path, digest)))
  }
  const children = Array.from({ length: 16 }, () => [])
  for (const entry of entries) children[nibble(entry.path, depth)].push(entry)
  return tagged('zenmesh/trie/node', ...children.map((child) => root(child, depth + 1)))
}
