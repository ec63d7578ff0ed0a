// The JavaScript SDK: subscriptions that the server makes.
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

async function wired(claims = {}, { target = server, transport = 'websocket' } = {}) {
  const wire = await Wire.to(target.port);
  const user = fresh('user');
  const client = new Client(wire.port, { token: jwt({ sub: user, ...claims }) }, transport);
  opened.push(client, wire);
  await client.connect();
  return Object.assign(client, { wire, user });
}

const on = (client, event, channel) => client.all(event).filter((context) => context.channel === channel);
const data = (client, channel) => on(client, 'publication', channel).map((context) => context.data);
const when = (client, event, channel, count = 1) => client.when(() => on(client, event, channel)[count - 1], `${event} of ${channel}`);

describe('server-side subscriptions', { concurrency: 8 }, () => {
  test('from the claim channels: subscribed with the connection, publications, joins and leaves', async () => {
    const channels = [fresh('room:'), fresh('plain')];
    const client = await wired({ channels });
    const [room, plain] = await Promise.all(channels.map((channel) => when(client, 'subscribed', channel)));
    assert.deepEqual([room.recoverable, room.positioned, plain.recoverable], [true, true, false]);
    for (const channel of channels) await server.api('publish', { channel, data: channel });
    for (const channel of channels) {
      await when(client, 'publication', channel);
      assert.deepEqual(data(client, channel), [channel]);
    }
    const other = await wired();
    const theirs = await other.subscribe(channels[0]);
    await client.when(() => on(client, 'join', channels[0]).some(({ info }) => info.user === other.user));
    theirs.sdk.unsubscribe();
    assert.equal((await when(client, 'leave', channels[0])).info.user, other.user);
    assert.equal((await server.api('presence_stats', { channel: channels[0] })).num_clients, 1);
  });

  test('from the claim subs: with data and info', async () => {
    const channel = fresh('room:');
    const client = await wired({ subs: { [channel]: { info: { role: 'x' }, data: { hello: 'ü' } } } });
    assert.deepEqual((await when(client, 'subscribed', channel)).data, { hello: 'ü' });
    const { presence } = await server.api('presence', { channel });
    assert.deepEqual(Object.values(presence)[0].chan_info, { role: 'x' });
  });

  test('the personal channel of a user', async () => {
    const client = await wired({ aud: 'test-audience', iss: 'test-issuer' }, { target: strict });
    const channel = `#${client.user}`;
    await when(client, 'subscribed', channel);
    await strict.api('publish', { channel, data: { to: 'you' } });
    assert.deepEqual((await when(client, 'publication', channel)).data, { to: 'you' });
  });

  for (const transport of ['websocket', 'http_stream', 'sse'])
    test(`made later through the API, and ended: ${transport}`, async () => {
      const client = await wired({}, { transport });
      const channel = fresh('room:');
      await server.publishMany(channel, 1, 3);
      await server.api('subscribe', { user: client.user, channel, data: { why: 'asked' } });
      const context = await when(client, 'subscribed', channel);
      assert.deepEqual([context.recoverable, context.positioned, context.streamPosition.offset], [true, true, 3]);
      assert.deepEqual(context.data, { why: 'asked' });
      await server.publishMany(channel, 4, 6);
      await when(client, 'publication', channel, 3);
      assert.deepEqual(data(client, channel), numbered(4, 6));
      await server.api('unsubscribe', { user: client.user, channel });
      await when(client, 'unsubscribed', channel);
      await server.publishMany(channel, 7, 7);
      await sleep(100);
      assert.equal(data(client, channel).length, 3);
      assert.equal((await server.api('presence_stats', { channel })).num_clients, 0);
    });

  test('made later for one of the connections of a user', async () => {
    const [one, two] = [await wired(), await wired()];
    const channel = fresh('room:');
    const user = fresh('both');
    const [a, b] = [await wired({ sub: user }), await wired({ sub: user })];
    await server.api('subscribe', { user, channel, client: b.last('connected').client });
    await when(b, 'subscribed', channel);
    await server.api('publish', { channel, data: 1 });
    await when(b, 'publication', channel);
    assert.deepEqual([one, two, a].map((each) => data(each, channel).length), [0, 0, 0]);
  });

  for (const transport of ['websocket', 'http_stream', 'sse'])
    test(`recovered after a lost connection: ${transport}`, async () => {
      const channel = fresh('room:');
      const client = await wired({ channels: [channel] }, { transport });
      await when(client, 'subscribed', channel);
      await server.publishMany(channel, 1, 5);
      await when(client, 'publication', channel, 5);
      client.wire.cut();
      await client.when(() => client.sdk.state === 'connecting');
      await server.publishMany(channel, 6, 100);
      client.wire.mend();
      const context = await when(client, 'subscribed', channel, 2);
      assert.deepEqual([context.wasRecovering, context.recovered], [true, true]);
      await when(client, 'publication', channel, 100);
      assert.deepEqual(data(client, channel), numbered(1, 100));
    });

  test('not recovered when too much was missed', async () => {
    const channel = fresh('short:');
    const client = await wired({ channels: [channel] });
    await when(client, 'subscribed', channel);
    await server.publishMany(channel, 1, 2);
    await when(client, 'publication', channel, 2);
    client.wire.cut();
    await client.when(() => client.sdk.state === 'connecting');
    await server.publishMany(channel, 3, 12);
    client.wire.mend();
    const context = await when(client, 'subscribed', channel, 2);
    assert.deepEqual([context.wasRecovering, context.recovered, context.streamPosition.offset], [true, false, 12]);
    await server.publishMany(channel, 13, 13);
    await when(client, 'publication', channel, 3);
    assert.deepEqual(data(client, channel), [...numbered(1, 2), { i: 13 }]);
  });

  test('one that was made later comes back with a new connection only if the client could have made it', async () => {
    const client = await wired();
    const [open, secret] = [fresh('room:'), fresh('secret:')];
    for (const channel of [open, secret]) {
      await server.api('subscribe', { user: client.user, channel });
      await when(client, 'subscribed', channel);
    }
    client.wire.cut();
    await client.when(() => client.sdk.state === 'connecting');
    await server.publishMany(open, 1, 1);
    client.wire.mend();
    await client.until('connected', 2);
    await when(client, 'unsubscribed', secret);
    assert.equal((await when(client, 'subscribed', open, 2)).recovered, true);
    await when(client, 'publication', open);
  });

  test('insufficient state, 3010, is followed by a new connection and recovery', async () => {
    const channel = fresh('room:');
    const client = await wired({ channels: [channel] });
    assert.equal((await when(client, 'subscribed', channel)).positioned, true);
    await server.publishMany(channel, 1, 1);
    await when(client, 'publication', channel);
    await server.api('disconnect', { user: client.user, disconnect: { code: 3010, reason: 'insufficient state' } });
    await server.publishMany(channel, 2, 2);
    const context = await when(client, 'subscribed', channel, 2);
    assert.deepEqual([context.wasRecovering, context.recovered], [true, true]);
    await when(client, 'publication', channel, 2);
    assert.deepEqual(data(client, channel), numbered(1, 2));
    assert.deepEqual(client.all('connecting').map(({ code }) => code), [0, 3010]);
  });

  test('subscribing to such a channel from the client: 105', async () => {
    const channel = fresh('room:');
    const client = await wired({ channels: [channel] });
    const room = await client.subscribe(channel);
    assert.deepEqual([room.last('unsubscribed')?.code, room.last('unsubscribed')?.reason], [105, 'already subscribed']);
  });
});
