/**
 * The protocol as readable scripts: each file beside this one is played on real replicas over a network and disks in
 * memory, and its output compared word for word. `VARVE_UPDATE_SCENARIOS=1 npx ava test/scenarios/scenarios.test.ts`
 * writes down what comes out instead; read the difference before you keep it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { Player } from './harness/commands.js'
import { formatScript, parseScript, runScript } from './harness/script.js'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const isUpdate = process.env.VARVE_UPDATE_SCENARIOS === '1'

for (const file of readdirSync(FOLDER).filter(name => name.endsWith('.txt'))) {
  test(`the scenario ${file} plays as written`, async t => {
    const path = `${FOLDER}/${file}`
    const text = readFileSync(path, 'utf8')
    const player = new Player()
    const ran = await runScript(parseScript(text), command => player.run(command))
    if (isUpdate) writeFileSync(path, formatScript(ran))
    else t.is(formatScript(ran), text)
    t.true(ran.some(part => 'commands' in part))
  })
}
