import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { bytesField, fieldsOf, numberField } from '../../tools/bench/rivals/protobuf.js'
import { encodeCommand, type Reply, ReplyReader } from '../../tools/bench/rivals/resp.js'
import { UnaryConnection } from '../../tools/bench/rivals/unary-connection.js'

function replies(...pieces: Buffer[]): Reply[] {
  const reader = new ReplyReader()
  const all: Reply[] = []
  for (const piece of pieces) reader.read(piece, reply => all.push(reply))
  return all
}

test('Redis replies are read however their bytes are cut', t => {
  const bytes = Buffer.from('+OK\r\n$5\r\nab\r\nc\r\n$-1\r\n:42\r\n-ERR no\r\n$0\r\n\r\n')
  const expected = [
    Buffer.from('OK'),
    Buffer.from('ab\r\nc'),
    undefined,
    42,
    new Error('ERR no'),
    Buffer.alloc(0),
  ]
  t.deepEqual(replies(bytes), expected)
  for (let cut = 1; cut < bytes.length; cut++) {
    t.deepEqual(replies(bytes.subarray(0, cut), bytes.subarray(cut)), expected)
  }
})

test('A Redis command is an array of its parts as they are', t => {
  const command = encodeCommand(['SET', 'k', Buffer.from([0, 13, 10])])
  t.deepEqual(command, Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\0\r\n\r\n'))
})

test('Fields of a message are read back, large numbers too', t => {
  const long = Buffer.alloc(300, 7)
  const message = Buffer.concat([bytesField(1, long), numberField(7, 300), bytesField(20, Buffer.alloc(0))])
  const fields = [...fieldsOf(message)]
  t.deepEqual(
    fields.map(({ number, bytes, varint }) => [number, bytes, varint]),
    [
      [1, long, 0n],
      [7, undefined, 300n],
      [20, Buffer.alloc(0), 0n],
    ],
  )
  const largest = Buffer.from([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
  t.is([...fieldsOf(largest)][0]!.varint, 2n ** 64n - 1n)
})

test('Unary calls to an HTTP/2 server are answered, more than its window holds at once too', async t => {
  const server = createServer()
  server.on('stream', (stream, headers) => {
    const parts: Buffer[] = []
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.on('end', () => {
      if (headers[':path'] === '/test/Refused') {
        stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true })
        return
      }
      stream.respond({ ':status': 200, 'content-type': headers['content-type'] }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.concat(parts))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const connection = await UnaryConnection.open(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  try {
    const messages = Array.from({ length: 200 }, (_, at) => Buffer.alloc(2_000, at))
    const answers = await Promise.all(messages.map(message => connection.call('/test/Echo', message)))
    t.deepEqual(answers, messages)
    await t.throwsAsync(connection.call('/test/Refused', Buffer.alloc(1)), { message: /refused a call/ })
    const unanswered = connection.call('/test/Echo', Buffer.alloc(1))
    connection.close()
    await t.throwsAsync(unanswered, { message: /closed the connection/ })
  } finally {
    server.close()
  }
})
