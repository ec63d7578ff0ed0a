// The JavaScript SDK: lost connections, what was missed, positions, the last value, slow clients.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, Server, Wire, fresh, jwt, numbered, sleep } from './support.mjs';

let server;
let strict;
const opened = [];

before(async () => {
  [server, strict] = await Promise.all(['token', 'strict'].map((name) => Server.start(name)));
});
after(async () => {
  for (const each of opened) each.close();
  for (const each of [server, strict]) assert.equal(await each.stop(), 0);
});

/** A client behind a wire of its own. */
async function wired({ target = server, transport = 'websocket', options = {}, claims } = {}) {
  const wire = await Wire.to(target.port);
  const user = fresh('user');
  const client = new Client(wire.port, { token: jwt({ sub: user, ...claims }), ...options }, transport);
  opened.push(client, wire);
  await client.connect();
  return Object.assign(client, { wire, user });
}

const outcome = ({ wasRecovering, recovered }) => [wasRecovering, recovered];

/** Cuts the wire while publishing from..to, and mends it. */
async function missing(client, channel, from, to, make) {
  client.wire.cut();
  await client.when(() => client.sdk.state === 'connecting', 'loss of the connection');
  await server.publishMany(channel, from, to, make);
  client.wire.mend();
}

describe('recovery', { concurrency: 8 }, () => {
  for (const transport of ['websocket', 'http_stream', 'sse'])
    test(`recovery after a lost connection, ${transport}: everything once and in order`, async () => {
      const client = await wired({ transport });
      const channel = fresh('room:');
      const room = await client.subscribe(channel);
      await server.publishMany(channel, 1, 5);
      await room.until('publication', 5);
      await missing(client, channel, 6, 150);
      assert.deepEqual(outcome(await room.until('subscribed', 2)), [true, true]);
      assert.ok(room.last('subscribed').hasRecoveredPublications);
      await server.publishMany(channel, 151, 155);
      await room.until('publication', 155);
      assert.deepEqual(room.data, numbered(1, 155));
    });

  test('recovery while publications go on', async () => {
    const client = await wired();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    let done = false;
    const publish = async () => {
      for (let i = 1; i <= 600; i++) {
        await server.publishMany(channel, i, i);
        await sleep(3); // fewer are missed at a time than can be recovered
      }
      done = true;
    };
    const publishing = publish();
    while (!done) {
      await sleep(150);
      client.wire.cut();
      await sleep(20);
      client.wire.mend();
    }
    await publishing;
    await room.until('publication', 600, 20000);
    assert.deepEqual(room.data, numbered(1, 600));
    assert.ok(room.all('subscribed').length > 2);
    assert.ok(room.all('subscribed').slice(1).every((context) => context.recovered));
  });

  test('recovery with nothing missed', async () => {
    const client = await wired();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await server.publishMany(channel, 1, 3);
    await room.until('publication', 3);
    await missing(client, channel, 1, 0);
    const context = await room.until('subscribed', 2);
    assert.deepEqual([...outcome(context), context.hasRecoveredPublications], [true, true, false]);
    await server.publishMany(channel, 4, 4);
    await room.until('publication', 4);
    assert.deepEqual(room.data, numbered(1, 4));
  });

  test('recovery of a room that was empty', async () => {
    const client = await wired();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await missing(client, channel, 1, 4);
    assert.deepEqual(outcome(await room.until('subscribed', 2)), [true, true]);
    await room.until('publication', 4);
    assert.deepEqual(room.data, numbered(1, 4));
  });

  test('recovery of 40 rooms in one connection', async () => {
    const client = await wired();
    const names = numbered(1, 40).map(() => fresh('room:'));
    const rooms = await Promise.all(names.map((name) => client.subscribe(name)));
    client.wire.cut();
    await client.when(() => client.sdk.state === 'connecting');
    for (const name of names) await server.publishMany(name, 1, 3);
    client.wire.mend();
    for (const room of rooms) {
      await room.until('publication', 3);
      assert.deepEqual(room.data, numbered(1, 3));
    }
  });

  test('recovery from a position that the application gives', async () => {
    const client = await wired();
    const channel = fresh('room:');
    await server.publishMany(channel, 1, 10);
    const { epoch } = await client.sdk.history(channel);
    const room = await client.subscribe(channel, { since: { offset: 6, epoch } });
    assert.deepEqual(outcome(room.last('subscribed')), [true, true]);
    await room.until('publication', 4);
    assert.deepEqual(room.data, numbered(7, 10));
  });

  test('recovery fails: more missed than the history keeps', async () => {
    const client = await wired();
    const channel = fresh('short:');
    const room = await client.subscribe(channel);
    await server.publishMany(channel, 1, 2);
    await room.until('publication', 2);
    await missing(client, channel, 3, 10);
    const context = await room.until('subscribed', 2);
    assert.deepEqual([...outcome(context), context.streamPosition.offset], [true, false, 10]);
    await server.publishMany(channel, 11, 11);
    await room.until('publication', 3);
    assert.deepEqual(room.data, [...numbered(1, 2), { i: 11 }]);
  });

  test('recovery fails: more missed than the limit of recovery', async () => {
    const client = await wired();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await missing(client, channel, 1, 301);
    assert.deepEqual(outcome(await room.until('subscribed', 2)), [true, false]);
    await missing(client, channel, 302, 601);
    assert.deepEqual(outcome(await room.until('subscribed', 3)), [true, true]);
    await room.until('publication', 300);
    assert.deepEqual(room.data, numbered(302, 601));
  });

  test('recovery fails: the history was removed', async () => {
    const client = await wired();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await server.publishMany(channel, 1, 3);
    await room.until('publication', 3);
    client.wire.cut();
    await client.when(() => client.sdk.state === 'connecting');
    await server.publishMany(channel, 4, 6);
    await server.api('history_remove', { channel });
    client.wire.mend();
    assert.deepEqual(outcome(await room.until('subscribed', 2)), [true, false]);
  });

  test('recovery fails: the position is of another epoch', async () => {
    const client = await wired();
    const channel = fresh('room:');
    await server.publishMany(channel, 1, 3);
    const room = await client.subscribe(channel, { since: { offset: 1, epoch: 'elsewhere' } });
    const context = room.last('subscribed');
    assert.deepEqual([...outcome(context), context.streamPosition.offset], [true, false, 3]);
  });

  test('recovery fails: the server was restarted', async () => {
    const first = await Server.start('token');
    const client = await wired({ target: first });
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await first.publishMany(channel, 1, 3);
    await room.until('publication', 3);
    assert.equal(await first.stop(), 0);
    const second = await Server.start('token');
    await second.publishMany(channel, 4, 8);
    client.wire.target = second.port;
    assert.deepEqual(outcome(await room.until('subscribed', 2)), [true, false]);
    assert.notEqual(room.all('subscribed')[0].streamPosition.epoch, room.last('subscribed').streamPosition.epoch);
    await second.publishMany(channel, 9, 9);
    await room.until('publication', 4);
    assert.deepEqual(room.data, [...numbered(1, 3), { i: 9 }]);
    client.close();
    assert.equal(await second.stop(), 0);
  });

  test('getState: asked at first, and again when its position is too old', { skip: process.env.SRL_REFERENCE }, async () => {
    const client = await wired();
    const channel = fresh('short:');
    await server.publishMany(channel, 1, 3);
    let asked = 0;
    const getState = async () => {
      asked++;
      const { offset, epoch } = await client.sdk.history(channel);
      return { offset: offset - 1, epoch };
    };
    const room = await client.subscribe(channel, { getState });
    await room.until('publication');
    assert.deepEqual([asked, room.data], [1, [{ i: 3 }]]);
    await missing(client, channel, 4, 7);
    await room.until('publication', 5);
    assert.deepEqual([asked, room.data], [1, numbered(3, 7)]);
    await missing(client, channel, 8, 20);
    await room.until('publication', 6);
    assert.deepEqual([asked, room.data.at(-1)], [2, { i: 20 }]);
  });

  test('positioned: insufficient state, 2500, makes the client subscribe again', async () => {
    const client = await wired();
    const channel = fresh('ask:');
    const room = await client.subscribe(channel, { positioned: true });
    assert.deepEqual([room.last('subscribed').positioned, room.last('subscribed').recoverable], [true, false]);
    await server.api('unsubscribe', { user: client.user, channel, code: 2500, reason: 'insufficient state' });
    await room.until('subscribed', 2);
    assert.deepEqual([room.last('subscribing').code, room.last('subscribing').reason], [2500, 'insufficient state']);
    await server.publishMany(channel, 1, 1);
    await room.until('publication');
    assert.equal(client.all('connected').length, 1);
  });

  // Centrifugo begins the stream anew under its subscribers; here it stays for as long as there are any.
  test('positioned: a stream whose history has run out goes on', { skip: process.env.SRL_REFERENCE }, async () => {
    const client = await wired({ target: strict, claims: { aud: 'test-audience', iss: 'test-issuer' } });
    const channel = fresh('fleeting:');
    const room = await client.subscribe(channel);
    await strict.publishMany(channel, 1, 1);
    await sleep(5000);
    await strict.publishMany(channel, 2, 2);
    await room.until('publication', 2);
    assert.deepEqual(room.data, numbered(1, 2));
    assert.deepEqual(room.all('subscribing').map(({ code }) => code), [0]);
  });

  test('the last value: a cache gives the newest after a loss', async () => {
    const client = await wired();
    const channel = fresh('cache:');
    const room = await client.subscribe(channel);
    await server.publishMany(channel, 1, 2);
    await room.until('publication', 2);
    await missing(client, channel, 3, 500, (i) => ({ i }));
    assert.deepEqual(outcome(await room.until('subscribed', 2)), [true, true]);
    await room.until('publication', 3);
    await missing(client, channel, 1, 0);
    assert.deepEqual(outcome(await room.until('subscribed', 3)), [true, true]);
    await server.publishMany(channel, 501, 501);
    await room.until('publication', 4);
    assert.deepEqual(room.data, [{ i: 1 }, { i: 2 }, { i: 500 }, { i: 501 }]);
  });

  test('the last value: an empty cache recovers nothing', async () => {
    const client = await wired();
    const channel = fresh('cache:');
    const room = await client.subscribe(channel, { since: { offset: 0, epoch: '' } });
    assert.deepEqual([room.last('subscribed').wasRecovering, room.all('publication').length], [true, 0]);
  });

  test('the last value: given to a new client that asks for it', async () => {
    const client = await wired();
    const channel = fresh('cache:');
    await server.publishMany(channel, 1, 3);
    const room = await client.subscribe(channel, { since: { offset: 0, epoch: '' } });
    assert.deepEqual(outcome(room.last('subscribed')), [true, true]);
    await room.until('publication');
    assert.deepEqual(room.data, [{ i: 3 }]);
  });

  test('slow client: one that does not read is cut off with 3008, comes back and recovers', { timeout: 60000 }, async () => {
    const client = await wired({ options: { maxServerPingDelay: 60000 } });
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    const other = await wired();
    const watched = await other.subscribe(channel);
    client.wire.stall();
    const text = 'x'.repeat(60000);
    let count = 0;
    while ((await server.api('presence_stats', { channel })).num_clients === 2 && count < 290)
      await server.api('publish', { channel, data: { i: ++count, text } });
    assert.ok(count < 290, 'the server never gave up the slow client');
    await watched.until('publication', count, 20000);
    client.wire.unstall();
    await room.until('publication', count, 20000);
    assert.deepEqual(room.data.map(({ i }) => i), numbered(1, count).map(({ i }) => i));
    assert.deepEqual(client.all('connecting').map(({ code }) => code), [0, 3008]);
    assert.equal(other.all('connected').length, 1);
  });
});
