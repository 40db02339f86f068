/** The simulator proves itself: broken on purpose in any of the listed ways, the code is found out. */
import anyTest, { type TestFn } from 'ava'
import { type BuiltSimulator, buildSimulator } from './built.js'
import { MUTANTS } from './mutants/mutants.js'

const test = anyTest as TestFn<BuiltSimulator>

test.before(async t => {
  t.timeout(120_000)
  t.context = await buildSimulator('test-mutants')
})

for (const { name } of MUTANTS) {
  test.serial(`the simulator catches the mutant '${name}'`, async t => {
    t.timeout(170_000)
    const { exitCode, output } = await t.context.run('--mutant', name)
    t.log(output.trim().slice(0, 300))
    t.is(exitCode, 0)
  })
}
