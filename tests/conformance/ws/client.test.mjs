// The chat server with an honest client library (ws): the protocol over it, many connections, slow readers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { NativeClient } from '../native.mjs';
import { ChatServer, Raw, frame, sleep } from '../server.mjs';

const CONNECTIONS = Number(process.env.SRL_CONNECTIONS ?? 2000);
let server;
before(async () => {
  server = await ChatServer.start('--set', 'publish_rate=0');
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

const join = (token, data) => NativeClient.connect(WebSocket, server.ws, token, data);

test('a conversation', async () => {
  const alice = await join('alice');
  const bob = await join('bob');
  assert.equal(alice.hello.user, 'alice');
  assert.match(alice.hello.client, /^[0-9a-f-]{36}$/);
  const subscribed = await alice.command('subscribe', 'chat:a');
  assert.equal(subscribed.offset, 0);
  assert.ok(subscribed.epoch);
  await bob.command('subscribe', 'chat:a');
  await alice.until((push) => push.type === 'join' && push.data.info.user === 'bob');
  const published = await bob.command('publish', 'chat:a', { data: { text: 'na\u00efve \u{1F600}' } });
  assert.equal(published.offset, 1);
  const message = await alice.until((push) => push.type === 'message');
  assert.deepEqual(message.data.data, { text: 'na\u00efve \u{1F600}' });
  assert.equal(message.data.info.user, 'bob');
  const presence = await alice.command('presence', 'chat:a');
  assert.deepEqual(presence.users.map(({ user }) => user).sort(), ['alice', 'bob']);
  const history = await alice.command('history', 'chat:a', { limit: 10 });
  assert.equal(history.publications.length, 1);
  await bob.close();
  await alice.until((push) => push.type === 'leave' && push.data.info.user === 'bob');
  await alice.close();
});

test('the channels of the quick start', async () => {
  const guest = await join('');
  await guest.command('subscribe', 'public:news');
  await assert.rejects(guest.command('subscribe', 'chat:a'), { code: 103 });
  const user = await join('alice');
  await user.command('subscribe', 'public:news');
  await assert.rejects(user.command('publish', 'public:news', { data: 1 }), { code: 103 });
  await assert.rejects(user.command('subscribe', 'elsewhere'), { code: 103 });
  await Promise.all([guest.close(), user.close()]);
});

test('several commands in one message, fragmented', async () => {
  const raw = await Raw.connect(server.port);
  await raw.open();
  const commands = [
    '{"id":1,"type":"connect","data":{"token":"carol"}}',
    '{"id":2,"type":"subscribe","channel":"chat:many"}',
    '{"id":3,"type":"publish","channel":"chat:many","data":{"data":"\u00e9\u20ac"}}',
  ];
  const bytes = Buffer.from(commands.join('\n'));
  for (let i = 0; i < bytes.length; i++) {
    raw.send(frame(i === 0 ? 0x01 : i === bytes.length - 1 ? 0x80 : 0x00, bytes.subarray(i, i + 1)));
    if (i % 10 === 0) raw.send(frame(0x89, String(i)));
  }
  const seen = [];
  let pongs = 0;
  while (!seen.includes('3')) {
    const { opcode, payload } = await raw.frame();
    if (opcode === 10) pongs++;
    else seen.push(String(JSON.parse(payload).reply?.id ?? JSON.parse(payload).push.type));
  }
  assert.deepEqual(seen.filter((each) => /\d/.test(each)), ['1', '2', '3']);
  assert.ok(pongs > 0);
  raw.destroy();
});

test('a malformed command is answered if it has an id, and ends the connection otherwise', async () => {
  const client = await join('dora');
  client.waiting.set(77, { resolve: assert.fail, reject: (error) => (client.refused = error) });
  client.socket.send('{"id":77,"type":"subscribe","channel":5}');
  await client.command('ping');
  assert.equal(client.refused.code, 107);
  client.socket.send('hello');
  assert.equal((await client.closed).code, 3501);
});

test('what is published at once reaches a subscriber in few pieces', async () => {
  const raw = await Raw.connect(server.port);
  await raw.open();
  raw.send(frame(0x81, '{"id":1,"type":"connect","data":{"token":"rita"}}\n{"id":2,"type":"subscribe","channel":"chat:burst"}'));
  await raw.until(() => raw.received.includes('"id":2'));
  const writer = await join('sam');
  await writer.command('subscribe', 'chat:burst');
  await raw.until(() => raw.received.includes('"join"'));
  let pieces = 0;
  raw.socket.on('data', () => pieces++);
  const commands = Array.from({ length: 128 }, (_, i) =>
    JSON.stringify({ id: 100 + i, type: 'publish', channel: 'chat:burst', data: { data: i } }),
  );
  for (const id of commands.keys()) writer.waiting.set(100 + id, { resolve() {}, reject: assert.fail });
  writer.socket.send(commands.join('\n'));
  await raw.until(() => raw.received.includes('"data":127,'));
  assert.ok(pieces <= 4, `${pieces} pieces for 128 messages`);
  await writer.close();
  raw.destroy();
});

test('a client that does not read is disconnected as slow, others notice nothing', { timeout: 60000 }, async () => {
  const slow = await Raw.connect(server.port);
  await slow.open();
  slow.send(frame(0x81, '{"id":1,"type":"connect","data":{"token":"slow"}}\n{"id":2,"type":"subscribe","channel":"chat:slow"}'));
  await slow.until(() => slow.received.includes('"id":2'));
  slow.socket.pause();
  const reader = await join('reader');
  const writer = await join('writer');
  await reader.command('subscribe', 'chat:slow');
  await writer.command('subscribe', 'chat:slow');
  const text = 'x'.repeat(15000);
  let count = 0;
  const left = reader.until((push) => push.type === 'leave' && push.data.info.user === 'slow', 50000);
  let gone = false;
  left.then(() => (gone = true));
  while (!gone && count < 3000) {
    await Promise.all(Array.from({ length: 20 }, () => writer.command('publish', 'chat:slow', { data: text })));
    count += 20;
  }
  await left;
  assert.ok(count < 3000);
  await reader.until((push) => push.type === 'message' && push.data.offset === count, 20000);
  assert.equal(reader.pushes.filter((push) => push.type === 'message').length, count);
  slow.socket.resume();
  await slow.until(() => slow.ended, 10000, 'end of the slow connection');
  await Promise.all([reader.close(), writer.close()]);
  slow.destroy();
});

test('a reader that pauses for a while gets everything, once and in order', { timeout: 60000 }, async () => {
  const paused = await join('paused');
  const writer = await join('writer');
  await paused.command('subscribe', 'chat:pause');
  await writer.command('subscribe', 'chat:pause');
  paused.socket.pause();
  const text = 'y'.repeat(4000);
  for (let i = 0; i < 800; i += 50)
    await Promise.all(Array.from({ length: 50 }, (_, k) => writer.command('publish', 'chat:pause', { data: `${i + k} ${text}` })));
  await sleep(200);
  paused.socket.resume();
  await paused.until((push) => push.type === 'message' && push.data.offset === 800, 20000);
  const got = paused.pushes.filter((push) => push.type === 'message');
  assert.deepEqual(got.map((push) => push.data.offset), Array.from({ length: 800 }, (_, i) => i + 1));
  assert.ok(got.every((push, i) => push.data.data === `${i} ${text}`));
  await Promise.all([paused.close(), writer.close()]);
});

test(`${CONNECTIONS} connections in one room`, { timeout: 120000 }, async () => {
  const clients = [];
  for (let i = 0; i < CONNECTIONS; i += 100) {
    const some = await Promise.all(Array.from({ length: Math.min(100, CONNECTIONS - i) }, (_, k) => join(`user${i + k}`)));
    await Promise.all(some.map((client) => client.command('subscribe', 'public:news')));
    clients.push(...some);
  }
  const stats = await clients[0].command('presence_stats', 'public:news');
  assert.equal(stats.num_sessions, CONNECTIONS);
  await Promise.all(clients.map((client) => client.command('subscribe', 'public:crowd')));
  const pongs = await Promise.all(clients.map((client) => client.command('ping')));
  assert.equal(pongs.length, CONNECTIONS);
  const closing = clients.slice(0, CONNECTIONS / 2).map((client) => client.close());
  clients.slice(CONNECTIONS / 2).forEach((client) => client.socket.terminate());
  await Promise.all(closing);
  const last = await join('last');
  await last.command('subscribe', 'public:news');
  for (let i = 0; ; i++) {
    const { num_sessions: left } = await last.command('presence_stats', 'public:news');
    if (left === 1) break;
    assert.ok(i < 100, `${left} sessions are left`);
    await sleep(50);
  }
  await last.close();
});

test('an orderly end tells everybody to come back', async () => {
  const other = await ChatServer.start();
  const clients = await Promise.all(
    Array.from({ length: 20 }, (_, i) => NativeClient.connect(WebSocket, other.ws, `user${i}`)),
  );
  assert.equal(await other.stop(), 0);
  for (const client of clients) {
    const { code } = await client.closed;
    assert.equal(code, 3001);
    const push = await client.until(({ type }) => type === 'disconnect');
    assert.deepEqual(push.data, { code: 3001, reason: 'shutdown', reconnect: true });
  }
});
