// The federation's topic: one message per gossip message, and nothing is relayed that is not authentic.

import { message, readMessage } from './frames.js'
import { hex } from './keys.js'
import { byCode, byName } from './messages.js'
import { judge } from './statements.js'

export const topicOf = (federation) => `zenmesh/1/${hex(federation)}/state`

export class Gossip {
  // `onMessage(publisher, name, payload)` hears of what is authentic, after it was taken for relaying.
  constructor ({ pubsub, state, onMessage, onOffence, tell }) {
    this.pubsub = pubsub
    this.topic = topicOf(state.chain.federation)
    pubsub.topicValidators.set(this.topic, (_, { data, from }) => this.#validate(state, data, from.toString(), onOffence))
    pubsub.addEventListener('message', ({ detail: { topic, data, from } }) => {
      if (topic !== this.topic) return
      const { code, payload } = readMessage(data)
      onMessage(from.toString(), byCode.get(code).name, payload)
    })
    pubsub.addEventListener('subscription-change', () => tell('subscribers', { peers: pubsub.getSubscribers(this.topic).map(String) }))
    pubsub.subscribe(this.topic)
  }

  #validate (state, data, publisher, onOffence) {
    try {
      const { code, payload } = readMessage(data)
      const kind = byCode.get(code)
      return kind !== undefined && judge(kind.name, kind.read(payload), state) !== undefined ? 'accept' : 'ignore'
    } catch (error) {
      onOffence(publisher, error)
      return 'reject'
    }
  }

  publish (name, payload) {
    return this.pubsub.publish(this.topic, message(byName[name].code, payload))
  }
}
