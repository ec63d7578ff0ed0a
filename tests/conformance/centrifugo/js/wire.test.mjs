// What clients see that are no SDK, or are told by the SDKs to do what these tests cannot make them do: frame by frame.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Recorder, Server, fresh, jwt, now } from './support.mjs';

let server;
let insecure;
before(async () => {
  [server, insecure] = await Promise.all(['wire', 'insecure'].map((name) => Server.start(name)));
});
after(async () => {
  for (const each of [server, insecure]) assert.equal(await each.stop(), 0);
});

const token = (claims = {}) => jwt({ sub: 'anna', ...claims });

/** A WebSocket whose frames are taken apart into replies and pushes. */
class Wire extends Recorder {
  static async open(path = '/connection/websocket', { port } = server) {
    const wire = new Wire();
    wire.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    wire.socket.on('message', (data) => {
      for (const line of data.toString().split('\n')) wire.record('frame', JSON.parse(line));
    });
    wire.socket.on('close', (code, reason) => wire.record('close', { code, reason: reason.toString() }));
    await new Promise((resolve, reject) => wire.socket.on('open', resolve).on('error', reject));
    return wire;
  }

  static async connected(params = {}, of = server) {
    const wire = await Wire.open(undefined, of);
    wire.client = (await wire.ask({ connect: params })).connect?.client;
    return wire;
  }

  send(...commands) {
    this.socket.send(commands.map((each) => JSON.stringify(each)).join('\n'));
  }

  /** The reply to a command, or how the connection ended instead. */
  ask(command) {
    const id = (this.id = (this.id ?? 0) + 1);
    this.send({ id, ...command });
    return this.when(() => this.all('frame').find((frame) => frame.id === id) ?? this.last('close'), `reply to ${JSON.stringify(command)}`);
  }

  pushed(kind, count = 1) {
    return this.when(() => this.all('frame').map((frame) => frame.push ?? frame).filter((push) => push[kind])[count - 1], kind);
  }

  get kinds() {
    return this.all('frame').flatMap((frame) => (frame.push ? Object.keys(frame.push).filter((name) => name !== 'channel') : []));
  }

  close() {
    this.socket.terminate();
  }
}

test('joins and leaves are told to those who may see who is there, not to all who ask', async () => {
  const channel = fresh('wished:');
  const stranger = await Wire.connected();
  await stranger.ask({ subscribe: { channel, join_leave: true } });
  const anna = await Wire.connected({ token: token() });
  await anna.ask({ subscribe: { channel, join_leave: true } });
  const { join } = await anna.pushed('join');
  assert.equal(join.info.client, anna.client);
  await server.api('publish', { channel, data: 1 });
  await stranger.pushed('pub');
  assert.deepEqual(stranger.kinds, ['pub']);
  stranger.close();
  anna.close();
});

test('recovery and positions are for those who may read the history, not for all who ask', async () => {
  const channel = fresh('wished:');
  await server.publishMany(channel, 1, 3);
  const wish = { channel, recover: true, recoverable: true, positioned: true };
  const stranger = await Wire.connected();
  assert.deepEqual((await stranger.ask({ subscribe: wish })).subscribe, { was_recovering: true });
  const anna = await Wire.connected({ token: token() });
  const { subscribe } = await anna.ask({ subscribe: wish });
  assert.equal(subscribe.recovered, true);
  assert.equal(subscribe.publications.length, 3);
  stranger.close();
  anna.close();
});

test('a token for the next thousands of years: the time that is left fits into what clients count with', async () => {
  const anna = await Wire.open();
  const { connect } = await anna.ask({ connect: { token: token({ exp: 99999999999 }) } });
  assert.deepEqual([connect.expires, connect.ttl <= 366 * 86400], [true, true]);
  anna.close();
});

test('a frame may have as many commands as fit into it', async () => {
  const anna = await Wire.connected({ token: token() });
  anna.send(...Array.from({ length: 1500 }, (_, i) => ({ id: i + 10, rpc: { method: 'none' } })));
  await anna.when(() => anna.all('frame').some(({ id }) => id === 1509) || anna.last('close'), 'last reply');
  assert.equal(anna.last('close'), undefined);
  anna.close();
});

test('deeply nested data', async () => {
  const data = JSON.parse('['.repeat(100) + ']'.repeat(100));
  const anna = await Wire.connected({ token: token() });
  assert.deepEqual((await anna.ask({ publish: { channel: fresh('room:'), data } })).publish, {});
  anna.close();
});

test('a publication without data is refused, and the connection stays', async () => {
  const anna = await Wire.connected({ token: token() });
  assert.equal((await anna.ask({ publish: { channel: fresh('room:') } })).error?.code, 107);
  anna.close();
});

test('a refresh brings what others are shown', async () => {
  const channel = fresh('room:');
  const exp = now() + 100;
  const anna = await Wire.connected({ token: token({ exp, info: { n: 1 } }) });
  const ticket = (info) => jwt({ sub: 'anna', channel, exp, info });
  await anna.ask({ subscribe: { channel, token: ticket({ c: 1 }) } });
  await anna.ask({ refresh: { token: token({ exp, info: { n: 2 } }) } });
  await anna.ask({ sub_refresh: { channel, token: ticket({ c: 2 }) } });
  await anna.ask({ publish: { channel, data: 1 } });
  assert.deepEqual((await anna.pushed('pub')).pub.info, { user: 'anna', client: anna.client, conn_info: { n: 2 }, chan_info: { c: 2 } });
  anna.close();
});

test('a refresh with a token that opens another channel: 3010, and the client comes back for it', async () => {
  const exp = now() + 100;
  const anna = await Wire.connected({ token: token({ exp }) });
  assert.equal((await anna.ask({ refresh: { token: token({ exp, channels: [fresh('room:')] }) } })).code, 3010);
});

test('a refresh with a token that opens a channel no more: 3010', async () => {
  const exp = now() + 100;
  const channels = [fresh('room:'), fresh('room:')];
  const anna = await Wire.connected({ token: token({ exp, channels }) });
  await server.api('subscribe', { user: 'anna', channel: fresh('room:') });
  assert.equal((await anna.ask({ refresh: { token: token({ exp, channels }) } })).refresh?.expires, true);
  assert.equal((await anna.ask({ refresh: { token: token({ exp, channels: channels.slice(1) }) } })).code, 3010);
});

test('a token with more channels than a client may have: 3505', async () => {
  const anna = await Wire.open();
  const channels = Array.from({ length: 200 }, (_, i) => `room:${i}`);
  assert.equal((await anna.ask({ connect: { token: token({ channels }) } })).code, 3505);
});

test('channels that the client wants to be subscribed to when it connects', async () => {
  const channel = fresh('room:');
  await server.publishMany(channel, 1, 2);
  const { epoch } = await server.api('history', { channel });
  const anna = await Wire.open();
  const subs = { [channel]: { recover: true, offset: 1, epoch }, $private: {} };
  const { connect } = await anna.ask({ connect: { token: token(), subs } });
  assert.deepEqual(Object.keys(connect.subs), [channel]);
  assert.deepEqual(connect.subs[channel].publications.map(({ data }) => data), [{ i: 2 }]);
  anna.close();
  const unknown = await Wire.open();
  assert.equal((await unknown.ask({ connect: { token: token(), subs: { 'nowhere:x': {} } } })).code, 3501);
});

test('clients that only listen: channels they want, the session, and why it ends', async () => {
  const channel = fresh('room:');
  const anna = await Wire.open('/connection/uni_websocket');
  anna.send({ token: token({ sub: 'only' }), subs: { [channel]: {} } });
  const { connect } = await anna.pushed('connect');
  assert.deepEqual(Object.keys(connect.subs), [channel]);
  assert.equal(typeof connect.session, 'string');
  await server.api('publish', { channel, data: 5 });
  assert.deepEqual((await anna.pushed('pub')).pub.data, 5);
  await server.api('disconnect', { user: 'only', session: connect.session });
  assert.equal((await anna.pushed('disconnect')).disconnect.code, 3503);
  assert.equal((await anna.until('close')).code, 3503);
});

test('clients that only listen need say nothing', async () => {
  const stop = new AbortController();
  const response = await fetch(`http://127.0.0.1:${server.port}/connection/uni_sse`, { signal: stop.signal });
  assert.equal(response.status, 200);
  stop.abort();
});

test('publications of the API have the format that the namespace asks for', async () => {
  const channel = fresh('object:');
  await assert.rejects(server.api('publish', { channel, data: 1 }), { code: 107 });
  await server.api('publish', { channel, data: {} });
});

test('insecure: channels of other users too', async () => {
  const anna = await Wire.connected({}, insecure);
  assert.deepEqual((await anna.ask({ subscribe: { channel: 'users:x#2' } })).subscribe, {});
  anna.close();
});

test('a broadcast to many channels does not hold up the others', async () => {
  const channels = Array.from({ length: 130000 }, (_, i) => `${i}`);
  const broadcast = server.api('broadcast', { channels, data: 1 });
  const anna = await Wire.connected({ token: token() });
  const started = Date.now();
  assert.equal((await broadcast).responses.length, channels.length);
  assert.equal(Date.now() - started < 10000, true);
  anna.close();
});

test('publish once for a key, be it tried again at once', async () => {
  const channel = fresh('room:');
  const once = { channel, data: 1, idempotency_key: 'k' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => server.api('publish', once)));
  assert.deepEqual(answers.map(({ offset }) => offset), [1, 1, 1, 1, 1]);
  const plain = { channel: fresh('plain'), data: 1, idempotency_key: 'k' };
  const anna = await Wire.connected({ token: token() });
  await anna.ask({ subscribe: { channel: plain.channel } });
  await Promise.all([server.api('publish', plain), server.api('publish', plain)]);
  await server.api('publish', { ...plain, idempotency_key: 'l' });
  await anna.pushed('pub', 2);
  assert.deepEqual(anna.kinds, ['pub', 'pub']);
  anna.close();
});

test('users with long ids, and who show much of themselves', async () => {
  const channel = fresh('room:');
  const [sub, info] = ['u'.repeat(300), { picture: 'x'.repeat(20000) }];
  const anna = await Wire.connected({ token: token({ sub, info }) });
  await anna.ask({ subscribe: { channel } });
  await anna.ask({ publish: { channel, data: 1 } });
  const { pub } = await anna.pushed('pub');
  assert.deepEqual([pub.info.user, pub.info.conn_info], [sub, info]);
  anna.close();
});
