// What clients see that are no SDK, or are told by the SDKs to do what these tests cannot make them do: frame by frame.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Recorder, Server, fresh, jwt, now, sleep } from './support.mjs';

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
