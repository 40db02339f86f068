/** Linearizability by its definition: tries every order of every choice of what took effect. For tiny histories. */
import type { HistoryOperation } from '../../../tools/history/history-event.js'

/** Whether some order of one key's operations respects time and is what a register would do. */
export function isLinearizableByDefinition(operations: readonly HistoryOperation[]): boolean {
  const taking = operations.filter(({ type, outcome, consistency }) =>
    type === 'get' ? outcome === 'ok' && consistency === 'strong' : outcome !== 'failed',
  )
  return search(taking, null)
}

function search(left: readonly HistoryOperation[], value: string | null): boolean {
  if (left.every(each => !mustHappen(each))) return true
  for (const next of left) {
    // Something that must happen and returned before this began has to come first.
    if (left.some(each => each !== next && mustHappen(each) && each.returnedMs! < next.invokedMs)) continue
    if (next.type === 'get' && next.value !== value) continue
    const after = next.type === 'get' ? value : next.type === 'set' ? next.value : null
    if (
      search(
        left.filter(each => each !== next),
        after,
      )
    )
      return true
  }
  return false
}

function mustHappen({ type, outcome, consistency }: HistoryOperation): boolean {
  return type === 'get' || (outcome === 'ok' && consistency === 'strong')
}
