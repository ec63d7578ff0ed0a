// The example over plain TCP: lines in, lines out.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Raw, sleep } from '../server.mjs';

let program;
let port;

before(async () => {
  const probe = net.createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  port = probe.address().port;
  await new Promise((resolve) => probe.close(resolve));
  program = spawn(path.join(path.dirname(process.env.SRL_CHAT), 'tcp_lines'), [String(port)], { stdio: 'inherit' });
  for (let i = 0; i < 100; i++) {
    const raw = await Raw.connect(port).catch(() => null);
    raw?.destroy();
    if (raw) return;
    await sleep(50);
  }
  throw new Error('tcp_lines does not listen');
});
after(() => {
  assert.equal(program.exitCode, null);
  program.kill();
});

async function line(raw, fits) {
  for (;;) {
    const end = await raw.until(() => raw.received.indexOf('\n') + 1, 5000, 'line');
    const text = raw.received.subarray(0, end).toString();
    raw.received = raw.received.subarray(end);
    const message = JSON.parse(text);
    if (fits(message)) return message;
  }
}

test('two people by lines, cut anywhere', async () => {
  const alice = await Raw.connect(port);
  const bob = await Raw.connect(port);
  alice.send('{"id":1,"type":"connect","data":{"token":"alice"}}\n{"id":2,"type":"subscribe","channel":"lobby"}\n');
  await line(alice, ({ reply }) => reply?.id === 2 && !reply.error);
  const commands =
    '{"id":1,"type":"connect","data":{"token":"bob"}}\r\n{"id":2,"type":"subscribe","channel":"lobby"}\n' +
    '{"id":3,"type":"publish","channel":"lobby","data":{"data":{"text":"gr\u00fc\u00dfe"}}}\n';
  for (const byte of Buffer.from(commands)) {
    bob.send(Buffer.from([byte]));
    if (byte % 7 === 0) await new Promise(setImmediate);
  }
  const { push } = await line(alice, (message) => message.push?.type === 'message');
  assert.deepEqual(push.data.data, { text: 'gr\u00fc\u00dfe' });
  assert.equal(push.data.info.user, 'bob');
  bob.destroy();
  await line(alice, (message) => message.push?.type === 'leave');
  alice.destroy();
});

test('a slow reader gets every line', { timeout: 30000 }, async () => {
  const slow = await Raw.connect(port);
  slow.send('{"id":1,"type":"connect","data":{"token":"slow"}}\n{"id":2,"type":"subscribe","channel":"slow"}\n');
  await line(slow, ({ reply }) => reply?.id === 2);
  slow.socket.pause();
  const writer = await Raw.connect(port);
  writer.send('{"id":1,"type":"connect","data":{"token":"writer"}}\n{"id":2,"type":"subscribe","channel":"slow"}\n');
  const text = 'z'.repeat(30000);
  for (let i = 0; i < 100; i++) {
    writer.send(`{"id":${i + 3},"type":"publish","channel":"slow","data":{"data":"${i} ${text}"}}\n`);
    await line(writer, ({ reply }) => reply?.id === i + 3 && !reply.error);
  }
  slow.socket.resume();
  for (let i = 0; i < 100; i++) {
    const { push } = await line(slow, (message) => message.push?.type === 'message');
    assert.equal(push.data.data, `${i} ${text}`);
  }
  slow.destroy();
  writer.destroy();
});

test('a line without end is cut off, a broken one answered', async () => {
  const raw = await Raw.connect(port);
  raw.send('x'.repeat(70000));
  await raw.until(() => raw.ended);
  raw.destroy();
  const other = await Raw.connect(port);
  other.send('{"id":1,"type":"connect","data":{"token":"x"}}\n{"id":2,"type":"subscribe","channel":7}\n');
  await line(other, ({ reply }) => reply?.id === 2 && reply.error);
  other.send('nonsense\n');
  await line(other, ({ push }) => push?.type === 'disconnect' && push.data.code === 3501);
  await other.until(() => other.ended);
});
