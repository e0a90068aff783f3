// From a ticket to a genesis: ask a member until it says yes or no.

import { makeCertificate, makeJoin, readGenesis } from './certificates.js'
import { equal } from './keys.js'
import { JOIN_STATUS } from './messages.js'

const [ACCEPTED, PENDING] = JOIN_STATUS.keys()

// `ask(request)` carries one JOIN_REQUEST to a member and brings its JOIN_RESPONSE. Returns the sealed genesis.
export async function beAdmitted ({ ticket, home, name, project, ask, tell }) {
  const certificate = makeCertificate(ticket.federation, { ...home, name, project })
  const request = { federation: ticket.federation, grant: ticket.grant, certificate, join: makeJoin(ticket, certificate) }
  for (;;) {
    const { status, reason, genesis, retry_after_ms: pauseMs } = await ask(request)
    tell('join', { status: JOIN_STATUS[status], reason })
    if (status === ACCEPTED) {
      if (!equal(readGenesis(genesis).federation, ticket.federation)) throw new Error('join: another genesis')
      return genesis
    }
    if (status !== PENDING) throw new Error(`join: ${JOIN_STATUS[status]}: ${reason}`)
    await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)))
  }
}
