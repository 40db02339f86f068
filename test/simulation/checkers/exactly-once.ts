/** No request is in the log twice, however often it was sent, and no value that was written once stands twice. */
import { Operation } from '../../../src/log/entry.js'
import { type Checker, check } from './checker.js'
import type { CommittedLog } from './committed-log.js'

export class ExactlyOnce implements Checker {
  readonly #committed: CommittedLog

  constructor(committed: CommittedLog) {
    this.#committed = committed
  }

  atRest(): void {
    for (const [ordinal, { entries }] of this.#committed.shards) {
      const requests = new Map<string, number>()
      const values = new Map<string, number>()
      for (const entry of entries) {
        if (entry === undefined || entry.operation === Operation.EPOCH) continue
        const { clientId, sequence, index, operation, value } = entry
        const request = `${clientId.toString('hex')}/${sequence}`
        const isAsked = sequence !== 0
        if (isAsked) {
          const other = requests.get(request)
          check(
            other === undefined,
            `shard ${ordinal}: request ${request} is in the log at ${other} and ${index}`,
          )
          requests.set(request, index)
        }
        if (operation !== Operation.SET) continue
        const text = value.toString()
        const other = values.get(text)
        check(other === undefined, `shard ${ordinal}: ${text} is in the log at ${other} and at ${index}`)
        values.set(text, index)
      }
    }
  }
}
