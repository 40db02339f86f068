/** Uses a client, closes it, and must then end by itself: the servers are in another event loop's care (unref). */
import { connect } from '../../src/index.js'
import { FakeCluster } from './fake-cluster.js'

const cluster = await FakeCluster.start({ shards: 2, nodes: 2 })
const db = await connect(cluster.addresses)
const watch = db.watch()
await watch.ready
await db.set('a', '1')
await db.get('a')
for await (const _ of db.scan());
cluster.nodes[0]!.intercept = () => true
cluster.nodes[1]!.intercept = () => true
const open = db.set('b', '1').catch(() => {})
await db.close()
await open
cluster.stop()
console.log('closed')
