// Two servers that meet at a Redis: clients of the SDK on both, and the API of one for what is on the other.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Redis } from '../../redis.mjs';
import { Client, Server, Wire, fresh, jwt, now, numbered, sleep } from './support.mjs';

let redis;
let servers;
before(async () => {
  redis = await Redis.start();
  servers = await Promise.all([1, 2].map((n) => Server.start('token', ['--redis', redis.url, '--set', `node_name=node-${n}`])));
});
after(async () => {
  for (const server of servers) assert.equal(await server.stop(), 0);
  await redis.stop();
});

const connected = (port, user, options) => new Client(port, { token: jwt({ sub: user }), ...options }).connect();
const id = (client) => client.last('connected').client;
const pair = async (users) => Promise.all(servers.map((server, i) => connected(server.port, users[i])));

test('one room on both servers: publications, joins, leaves, presence, history', async () => {
  const channel = fresh('room:');
  const users = [fresh('anna'), fresh('ben')];
  const [anna, ben] = await pair(users);
  const hers = await anna.subscribe(channel);
  const his = await ben.subscribe(channel);
  await hers.when(() => hers.all('join').some(({ info }) => info.user === users[1]), 'join');
  for (let i = 1; i <= 20; i++) await (i % 2 ? anna : ben).sdk.publish(channel, { i });
  for (const room of [hers, his]) {
    await room.until('publication', 20);
    assert.deepEqual(room.data, numbered(1, 20));
  }
  const presence = await anna.sdk.presence(channel);
  assert.deepEqual(Object.values(presence.clients).map(({ user }) => user).sort(), [...users].sort());
  assert.deepEqual(await ben.sdk.presenceStats(channel), { numClients: 2, numUsers: 2 });
  const { publications } = await ben.sdk.history(channel, { limit: 100 });
  assert.deepEqual(publications.map((p) => [p.offset, p.data.i]), numbered(1, 20).map(({ i }) => [i, i]));
  his.sdk.unsubscribe();
  assert.equal((await hers.until('leave')).info.user, users[1]);
  for (const client of [anna, ben]) client.close();
});

test('a client that was cut off recovers on the other server', async () => {
  const channel = fresh('room:');
  const wire = await Wire.to(servers[0].port);
  const client = await connected(wire.port, fresh('user'));
  const room = await client.subscribe(channel);
  await servers[0].publishMany(channel, 1, 5);
  await room.until('publication', 5);
  wire.cut();
  wire.target = servers[1].port;
  await client.until('connecting', 2);
  await servers[0].publishMany(channel, 6, 300);
  wire.mend();
  const { recovered, wasRecovering } = await room.until('subscribed', 2);
  assert.deepEqual([wasRecovering, recovered], [true, true]);
  await room.until('publication', 300);
  assert.deepEqual(room.data, numbered(1, 300));
  client.close();
  wire.close();
});

test('a key is used once, whichever server it is given to', async () => {
  const once = { channel: fresh('room:'), data: 1, idempotency_key: 'k' };
  const first = await servers[0].api('publish', once);
  assert.equal(first.offset, 1);
  assert.deepEqual(await servers[1].api('publish', once), first);
});

test('the API lists channels and servers of the whole', async () => {
  const channel = fresh('room:');
  const clients = await pair(['anna', 'ben']);
  for (const client of clients) await client.subscribe(channel);
  await clients[1].subscribe(`${channel}_b`);
  for (const server of servers) {
    const { channels } = await server.api('channels', { pattern: 'room:*' });
    assert.deepEqual([channels[channel], channels[`${channel}_b`]], [{ num_clients: 2 }, { num_clients: 1 }]);
    assert.deepEqual(Object.keys((await server.api('channels', { pattern: `${channel}_*` })).channels), [`${channel}_b`]);
    const { nodes } = await server.api('info');
    assert.deepEqual(nodes.map(({ name }) => name).sort(), ['node-1', 'node-2']);
    assert.ok(nodes.every(({ num_clients, num_subs }) => num_clients >= 1 && num_subs >= 1));
  }
  for (const client of clients) client.close();
});

test('the API reaches clients of the other server', async () => {
  const user = fresh('user');
  const channel = fresh('room:');
  const [near, far] = await pair([user, user]);
  const [api] = servers;
  const { epoch } = await api.api('publish', { channel, data: { i: 1 } });
  await api.publishMany(channel, 2, 3);
  await api.api('subscribe', { user, client: id(far), channel, info: { chan: 1 }, data: { hello: 'ü' }, recover_since: { offset: 1, epoch } });
  assert.deepEqual((await far.until('subscribed')).data, { hello: 'ü' });
  await far.until('publication', 2);
  assert.deepEqual(far.all('publication').map((p) => p.data), numbered(2, 3));
  const { presence } = await api.api('presence', { channel });
  assert.deepEqual(Object.values(presence).map((who) => [who.client, who.chan_info]), [[id(far), { chan: 1 }]]);
  await api.api('unsubscribe', { user, client: id(near), channel });
  await api.api('unsubscribe', { user, client: id(far), channel });
  await far.until('unsubscribed');
  assert.equal(near.all('subscribed').length, 0);
  await api.api('refresh', { user, client: id(far), expire_at: now() + 3600 });
  for (let tries = 0; !far.received.some((text) => text.includes('"refresh":{"expires":true')); tries++) {
    assert.ok(tries < 500);
    await sleep(10);
  }
  await api.api('disconnect', { user, whitelist: [id(near)], disconnect: { code: 4500, reason: 'enough' } });
  assert.deepEqual(await far.until('disconnected'), { event: 'disconnected', code: 4500, reason: 'enough' });
  assert.equal(near.all('disconnected').length, 0);
  near.close();
});

test('clients of a server that is killed recover on the other one', async () => {
  const third = await Server.start('token', ['--redis', redis.url]);
  const channel = fresh('room:');
  const wire = await Wire.to(third.port);
  const client = await connected(wire.port, fresh('user'));
  const room = await client.subscribe(channel);
  await servers[0].publishMany(channel, 1, 10);
  await room.until('publication', 10);
  wire.target = servers[1].port;
  third.process.kill('SIGKILL');
  await third.exited;
  await servers[0].publishMany(channel, 11, 50);
  assert.equal((await room.until('subscribed', 2)).recovered, true);
  await room.until('publication', 50);
  assert.deepEqual(room.data, numbered(1, 50));
  client.close();
  wire.close();
});
