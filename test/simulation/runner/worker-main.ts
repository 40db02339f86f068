/** Runs the seeds that its parent sends, one after another, and answers with what came of each. */
import { simulate } from '../simulation.js'
import type { SeedAnswer, SeedRequest } from './messages.js'

process.on('message', async ({ seed, without, theme }: SeedRequest) => {
  const { failure, simulatedMs, events, operations, counts } = await simulate({
    seed,
    trace: 'nothing',
    excluded: new Set(without),
    theme,
  })
  const answer: SeedAnswer = {
    seed,
    failure: failure?.stack,
    simulatedMs,
    events,
    operations,
    counts: [...counts],
  }
  process.send!(answer)
})
