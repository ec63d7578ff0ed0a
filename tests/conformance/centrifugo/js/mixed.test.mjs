// Clients of several languages in one room. SRL_PYTHON names a Python with centrifuge-python, SRL_GO_PEER the built ../go/peer.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Recorder, Server, fresh, jwt, numbered } from './support.mjs';

const { SRL_PYTHON, SRL_GO_PEER, SRL_REFERENCE } = process.env;
const COUNT = 25;
// The reference makes patches that split characters.
const LETTERS = [...(SRL_REFERENCE ? 'abcdefghijklmnopq ,.' : 'абвгдежзийклмнопрстуфхцчшщ🙂🚀漢 abc')];
let server;
const opened = [];

before(async () => {
  server = await Server.start('token');
});
after(async () => {
  for (const each of opened) await each.close();
  assert.equal(await server.stop(), 0);
});

/** A process that is told and tells in lines of JSON. */
class Peer extends Recorder {
  constructor(command, channel, user) {
    super();
    const url = `ws://127.0.0.1:${server.port}/connection/websocket`;
    this.process = spawn(command[0], [...command.slice(1), url, jwt({ sub: user }), channel], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.exited = new Promise((resolve) => this.process.on('exit', resolve));
    readline.createInterface({ input: this.process.stdout }).on('line', (line) => {
      const { event, ...context } = JSON.parse(line);
      this.record(event, context);
    });
    opened.push(this);
  }

  publish(data) {
    this.process.stdin.write(`${JSON.stringify(data)}\n`);
  }

  async close() {
    this.process.stdin.end();
    return this.exited;
  }
}

const heard = (room) => room.all('publication').map(({ data, offset, user, info }) => [offset, info?.user ?? user, data]);

async function inJavaScript(channel, user, transport) {
  const client = new Client(server.port, { token: jwt({ sub: user }) }, transport);
  opened.push(client);
  await client.connect();
  const room = await client.subscribe(channel, { delta: 'fossil' });
  room.publish = (data) => room.sdk.publish(data);
  room.close = () => client.close();
  return room;
}

const peers = {
  Python: SRL_PYTHON && [SRL_PYTHON, fileURLToPath(new URL('../python/peer.py', import.meta.url))],
  Go: SRL_GO_PEER && [SRL_GO_PEER],
};
const skip = !SRL_PYTHON || !SRL_GO_PEER ? 'SRL_PYTHON and SRL_GO_PEER are not set' : false;

describe('several languages', { skip }, () => {
  for (const prefix of ['compact:', 'delta:'])
    test(`JavaScript over three transports, Python and Go in one room ${prefix}`, async () => {
      const channel = fresh(prefix);
      const rooms = {};
      for (const transport of ['websocket', 'http_stream', 'sse']) rooms[transport] = await inJavaScript(channel, transport, transport);
      for (const [name, command] of Object.entries(peers)) rooms[name] = new Peer(command, channel, name);
      for (const room of Object.values(rooms)) await room.until('subscribed');
      const text = Array.from({ length: 500 }, (_, i) => LETTERS[(i * 7) % LETTERS.length]);
      for (const { i } of numbered(1, COUNT))
        for (const [name, room] of Object.entries(rooms)) {
          text[(i * 31 + name.length * 7) % text.length] = LETTERS[(i + name.length) % LETTERS.length];
          await room.publish({ by: name, i, text: text.join('') });
        }
      const total = COUNT * Object.keys(rooms).length;
      for (const room of Object.values(rooms)) await room.until('publication', total);
      const expected = heard(rooms.websocket);
      assert.deepEqual(expected.map(([offset]) => offset), numbered(1, total).map(({ i }) => i));
      assert.ok(expected.every(([, user, data]) => user === data.by));
      for (const name of Object.keys(rooms)) {
        assert.deepEqual(heard(rooms[name]), expected, name);
        assert.deepEqual(expected.filter(([, user]) => user === name).map(([, , data]) => data.i), numbered(1, COUNT).map(({ i }) => i));
      }
      if (prefix === 'compact:') {
        assert.deepEqual(new Set(rooms.websocket.all('join').map(({ info }) => info.user)), new Set(Object.keys(rooms)));
        await rooms.Python.close();
        await rooms.Go.when(() => rooms.Go.all('leave').some(({ user }) => user === 'Python'), 'leave of Python');
      }
    });
});
