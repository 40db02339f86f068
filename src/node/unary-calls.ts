/** Unary calls on their way through a process: a bounded number at a time, each with its time and its end. */
import type { ServerUnaryCall, sendUnaryData } from '@grpc/grpc-js'
import { VarveError } from '../client/errors.js'
import { toServiceError } from '../client/grpc-errors.js'
import { CallBudget } from './call-budget.js'
import { asVarveError } from './local-call.js'

/** Calls of one service under way at this process; more are refused. */
export const CALLS_MAX = 10_000

export class UnaryCalls {
  readonly #address: () => string
  #calls = 0

  /** `address`: this process's, for errors. */
  constructor(address: () => string) {
    this.#address = address
  }

  /** Answers the call with what `carryOut` resolves to, or with why it rejected. */
  handle<Request, Response>(
    call: ServerUnaryCall<Request, Response>,
    done: sendUnaryData<Response>,
    carryOut: (request: Request, budget: CallBudget) => Promise<Response>,
  ): void {
    if (this.#calls >= CALLS_MAX) {
      const message = `${this.#address()} has ${CALLS_MAX} calls under way, try again`
      return done(toServiceError(new VarveError('RESOURCE_EXHAUSTED', message, { outcome: 'failed' })))
    }
    this.#calls += 1
    const budget = new CallBudget(call)
    carryOut(call.request, budget)
      .then(
        response => done(null, response),
        error => done(toServiceError(asVarveError(error))),
      )
      .finally(() => {
        this.#calls -= 1
        budget.release()
      })
  }
}
