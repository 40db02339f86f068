/** The words of the scripts: each does one thing to a model cluster and returns what could be seen of it. */
import { Topology } from '../../../src/generated/varve/v1/cluster.js'
import {
  type Configuration,
  ConfigurationStatus,
  type Envelope,
} from '../../../src/generated/varve/v1/replication.js'
import { activated, hasEnoughMembers } from '../../../src/replication/configuration.js'
import type { Coordinator } from '../../../src/replication/coordinator.js'
import type { Body } from '../../../src/replication/effects.js'
import { plantTree } from '../../../src/replication/topology.js'
import { describeConfiguration, describeEnvelope, describeRecord } from './describe.js'
import { describeEvent } from './events.js'
import { ModelCluster } from './model-cluster.js'
import type { ModelNode } from './model-node.js'
import { type Message, open } from './network.js'
import { CLUSTER_ID, COORDINATOR, SHARD } from './process.js'

const LOG_ID = 'f'.repeat(32)

/** What a command is given: words, and options `name=value`. */
interface Arguments {
  readonly words: readonly string[]
  readonly options: ReadonlyMap<string, string>
}

/** Plays the commands of one script. */
export class Player {
  #cluster: ModelCluster | undefined
  #output: string[] = []
  /** True while single messages are worth a line. */
  #showsSends = true
  #tickets = 0
  /** What the script, in the coordinator's place, has stored. */
  readonly #configurations = new Map<number, Configuration>()
  readonly #commands: Readonly<Record<string, (args: Arguments) => void | Promise<void>>> = {
    cluster: args => this.#create(args),
    configure: args => this.#configure(args),
    activate: args => this.#activate(args),
    seal: args => this.#seal(args),
    open: args => this.#open(args),
    write: args => this.#write(args),
    fill: args => this.#fill(args),
    read: args => this.#read(args),
    get: args => this.#get(args),
    sync: args => this.#eachNode(args, node => node.sync()),
    tick: args => this.#tick(args),
    deliver: args => this.#deliver(args),
    drop: args => this.#onLink(args, message => this.#network.drop(message)),
    dup: args => this.#onLink(args, message => this.#network.duplicate(message)),
    'break-link': ({ words }) => this.#network.breakLink(words[0]!, words[1]!),
    settle: () => this.#quietly(() => this.#model.settle()),
    crash: args => this.#eachNode(args, node => node.crash(Number(args.options.get('kept') ?? 0))),
    restart: args => this.#eachNode(args, node => node.start()),
    wipe: args => this.#eachNode(args, node => node.wipe()),
    beat: args => this.#eachNode(args, node => node.beat()),
    coordinator: args => this.#coordinator(args),
    learn: args => this.#learn(args),
    run: ({ words }) => this.#run(Number(words[0])),
    isolate: args => this.#eachNode(args, ({ address }) => this.#network.isolated.add(address)),
    mend: () => this.#network.isolated.clear(),
    leave: ({ words }) => this.#operate(coordinator => coordinator.leave(SHARD, words[0]!)),
    join: ({ words }) => this.#operate(coordinator => coordinator.join(SHARD, words[0]!, true)),
    recover: ({ words }) => this.#recover(words[0] ?? ''),
    status: () => this.#status(),
    messages: () => this.#print(...this.#network.messages.map(describeMessage)),
    log: args => this.#eachNode(args, node => this.#log(node)),
    orphans: args => this.#orphans(args),
    stored: () => this.#stored(),
  }

  /** Runs one line and returns what it printed. Throws for a command that nobody knows. */
  async run(line: string): Promise<string[]> {
    this.#output = []
    const [name = '', ...tokens] = line.split(/\s+/)
    const command = this.#commands[name]
    if (command === undefined) throw new Error(`no command '${name}'`)
    await command({
      words: tokens.filter(token => !token.includes('=')),
      options: new Map(tokens.filter(token => token.includes('=')).map(splitOnce)),
    })
    return this.#output
  }

  get #model(): ModelCluster {
    if (this.#cluster === undefined) throw new Error('begin with: cluster chain|star NODE...')
    return this.#cluster
  }

  get #network() {
    return this.#model.network
  }

  #print(...lines: string[]): void {
    this.#output.push(...lines)
  }

  /** Only what happens at the nodes is shown, not the messages. */
  #quietly(action: () => void): void {
    this.#showsSends = false
    try {
      action()
    } finally {
      this.#showsSends = true
    }
  }

  /** Nothing is shown but alarms. */
  #silently(action: () => void): void {
    const before = this.#output
    this.#output = []
    action()
    this.#output = [...before, ...this.#output.filter(line => line.includes('ALARM'))]
  }

  #nodes({ words }: Arguments): ModelNode[] {
    if (words[0] === 'all') return [...this.#model.nodes.values()]
    return words.map(address => this.#model.node(address))
  }

  #eachNode(args: Arguments, action: (node: ModelNode) => void): void {
    for (const node of this.#nodes(args)) action(node)
  }

  #create({ words, options }: Arguments): void {
    const [topology, ...addresses] = words
    if (topology !== 'chain' && topology !== 'star') throw new Error(`no topology '${topology}'`)
    this.#cluster = new ModelCluster({
      addresses,
      spares: options.get('spares')?.split(',') ?? [],
      topology,
      minInSync: Number(options.get('min-in-sync') ?? 1),
      onEvent: event => this.#print(describeEvent(event)),
      onSend: message => {
        if (this.#showsSends) this.#print(`  ${describeMessage(message)}`)
      },
    })
  }

  // -- the script in the coordinator's place

  #say(to: string, epoch: number, body: Body): void {
    const envelope: Envelope = {
      from: COORDINATOR,
      incarnation: 0,
      clusterId: CLUSTER_ID,
      stamp: { lamport: 0, wallMs: 0 },
      shard: SHARD,
      epoch,
      body,
    }
    this.#network.post(to, envelope)
  }

  /** `configure EPOCH [MEMBER...]`: members in the tree's order, the head first; as listed where none is named. */
  #configure({ words }: Arguments): void {
    const [epoch, ...named] = words
    const { listed } = this.#model
    const addresses = named.length > 0 ? named : listed.replicas
    const topology = listed.topology === 'star' ? Topology.STAR : Topology.CHAIN
    const peers = addresses.map(address => ({
      address,
      incarnation: this.#model.node(address).incarnation,
    }))
    const configuration: Configuration = {
      shard: SHARD,
      logId: LOG_ID,
      epoch: Number(epoch),
      head: addresses[0]!,
      members: plantTree(topology, peers),
      topology,
      minInSync: listed.minInSync,
      status: ConfigurationStatus.PROPOSED,
      recovery: undefined,
    }
    this.#configurations.set(configuration.epoch, configuration)
    for (const to of addresses) {
      this.#say(to, configuration.epoch, { $case: 'configure', value: { configuration } })
    }
  }

  /** `activate EPOCH [MEMBER...]`: tells all members, or those named. */
  #activate({ words }: Arguments): void {
    const [epoch, ...named] = words
    const configuration = activated(this.#configurations.get(Number(epoch))!)
    const addresses = named.length > 0 ? named : configuration.members.map(({ address }) => address)
    for (const to of addresses) {
      this.#say(to, configuration.epoch, { $case: 'activate', value: { configuration } })
    }
  }

  /** `seal EPOCH NODE...` */
  #seal({ words }: Arguments): void {
    const [epoch, ...addresses] = words
    for (const to of addresses) this.#say(to, Number(epoch), { $case: 'seal', value: {} })
  }

  /** `open EPOCH [MEMBER...]`: configure and activate with nothing in between going wrong. Prints what came of it. */
  #open(args: Arguments): void {
    this.#silently(() => {
      this.#configure(args)
      this.#model.settle()
      this.#activate({ ...args, words: args.words.slice(0, 1) })
      this.#model.settle()
    })
    const epoch = Number(args.words[0])
    const members = this.#configurations.get(epoch)!.members.map(({ address }) => this.#model.node(address))
    const standings = members.map(node => {
      const replica = node.driver?.replica
      const isIn = replica?.epoch === epoch && replica.isActive
      return `${node.address} ${isIn ? replica.role : node.standing()} commit=${replica?.commitIndex ?? 0}`
    })
    this.#print(`epoch ${epoch}: ${standings.join(', ')}`)
  }

  /** `learn EPOCH NODE UPSTREAM` */
  #learn({ words: [epoch, address, upstream] }: Arguments): void {
    const configuration = activated(this.#configurations.get(Number(epoch))!)
    this.#say(address!, Number(epoch), { $case: 'learn', value: { configuration, upstream: upstream! } })
  }

  // -- operators

  #operate(action: (coordinator: Coordinator) => void): void {
    action(this.#model.coordinator!.coordinator)
  }

  /** Begins it; what came of it shows in the status. */
  #recover(address: string): void {
    this.#operate(coordinator => {
      coordinator.recover(SHARD, address).catch(error => this.#print(`not recovered: ${error.message}`))
    })
  }

  /** `run ROUNDS`: so many ticks of everybody, with all that they cause. */
  #run(rounds: number): void {
    this.#quietly(() => {
      for (let round = 0; round < rounds; round += 1) {
        this.#model.tickAll()
        this.#model.settle()
      }
    })
  }

  // -- clients

  /** `write NODE KEY=VALUE... [strong]`: one record. */
  #write({ words, options }: Arguments): void {
    const level = words.includes('strong') ? 'strong' : 'weak'
    const node = this.#model.node(words[0]!)
    const refusal = node.write([...options], level)
    if (refusal !== undefined) this.#print(`${node.address}: refuses: ${refusal}`)
  }

  /** `fill NODE COUNT SIZE`: so many records of one entry with a value of so many bytes. */
  #fill({ words: [address, count, size] }: Arguments): void {
    const node = this.#model.node(address!)
    this.#quietly(() => {
      for (let at = 1; at <= Number(count); at += 1)
        node.write([[`f${at}`, 'v'.repeat(Number(size))]], 'weak')
    })
  }

  /** `read NODE`: a strong read begins. */
  #read({ words }: Arguments): void {
    this.#tickets += 1
    this.#model.node(words[0]!).read(this.#tickets)
  }

  /** `get NODE KEY`: what a strong read would answer here, once it may. */
  #get({ words: [address, key] }: Arguments): void {
    const { driver, projector } = this.#model.node(address!)
    const value = projector?.value(key!, driver!.replica.commitIndex)
    this.#print(`${key}=${value ?? ' (none)'}`)
  }

  // -- messages and time

  /** `tick NODE|all|coordinator [COUNT]` */
  #tick({ words: [who, count] }: Arguments): void {
    for (let at = 0; at < Number(count ?? 1); at += 1) {
      if (who === 'all') this.#quietly(() => this.#model.tickAll())
      else if (who === COORDINATOR) {
        this.#model.nowMs += 50
        this.#model.coordinator?.tick()
      } else this.#model.node(who!).tick()
    }
  }

  /** `deliver all`, or `deliver FROM->TO [COUNT|#AT|all]`. */
  #deliver(args: Arguments): void {
    if (args.words[0] === 'all') return this.#quietly(() => this.#model.deliverAll())
    this.#onLink(args, message => {
      this.#print(`> ${describeMessage(message)}`)
      if (!this.#network.deliver(message)) this.#print('  (nobody is there)')
    })
  }

  /** The oldest message of a link, COUNT of them, the one at place AT (from 1), or all that are there now. */
  #onLink({ words: [name, which = '1'] }: Arguments, action: (message: Message) => void): void {
    const [from = '', to = ''] = name!.split('->')
    const link = this.#network.link(from, to)
    let chosen = link.slice(0, Number(which))
    if (which === 'all') chosen = link
    if (which.startsWith('#')) chosen = link.slice(Number(which.slice(1)) - 1, Number(which.slice(1)))
    if (chosen.length === 0) throw new Error(`nothing is on its way on ${name}`)
    for (const message of chosen) action(message)
  }

  /** `coordinator start | crash [stored] | store` */
  #coordinator({ words }: Arguments): void {
    if (words[0] === 'start') this.#model.startCoordinator()
    else if (words[0] === 'crash') this.#model.crashCoordinator(words[1] === 'stored')
    else if (words[0] === 'store') {
      if (!this.#model.coordinator?.completeStore()) throw new Error('the coordinator stores nothing')
    } else throw new Error(`no command 'coordinator ${words[0]}'`)
  }

  // -- looking

  #status(): void {
    for (const node of this.#model.nodes.values()) {
      const { log, driver } = node
      const position =
        driver === undefined
          ? ''
          : ` last=${log.lastIndex} durable=${log.durableIndex} commit=${driver.replica.commitIndex}`
      this.#print(`${node.address}: ${node.standing()}${position}`)
    }
    const change = this.#model.coordinator?.coordinator.shardMap().shards[0]
    if (change !== undefined) {
      const waits = change.waitingFor === '' ? '' : `, waits for ${change.waitingFor}`
      this.#print(`coordinator: epoch ${change.epoch} ${change.status}${waits}`)
    }
  }

  #log(node: ModelNode): void {
    for (let index = 1; index <= node.log.lastIndex; ) {
      const record = node.log.recordAt(index)!
      this.#print(`${node.address}: ${describeRecord(record)}`)
      index = record.lastIndex + 1
    }
  }

  async #orphans(args: Arguments): Promise<void> {
    for (const node of this.#nodes(args)) {
      if (node.store.unsyncedWrites > 0) throw new Error(`sync ${node.address} first`)
      for await (const record of node.log.orphans()) this.#print(`${node.address}: ${describeRecord(record)}`)
    }
  }

  /** What the coordinator's disk holds. */
  #stored(): void {
    const stored = this.#model.membershipStore.read(SHARD)
    if (stored === undefined) return this.#print('nothing')
    const { revision, membership } = stored
    const { reservedEpoch, current, base, activeEpochs } = membership
    const isBase = base !== null && hasEnoughMembers(base)
    this.#print(
      `revision ${revision}: reserved e${reservedEpoch}, current e${current?.epoch ?? 0} ${describeConfiguration(current)}`,
      `base e${base?.epoch ?? 0}${isBase ? ` from index ${membership.baseEpochIndex}` : ''}, active epochs [${activeEpochs}]`,
    )
  }
}

function splitOnce(token: string): [string, string] {
  const at = token.indexOf('=')
  return [token.slice(0, at), token.slice(at + 1)]
}

function describeMessage(message: Message): string {
  return describeEnvelope(message.to, open(message))
}
