// The server's HTTP API: each method, what it does to clients, and what it says to bad input.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Client, Server, fresh, jwt, now, sleep } from './support.mjs';

let server;
before(async () => {
  server = await Server.start('token');
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

const KEY = { 'X-API-Key': 'test-api-key' };

async function text(method, body, headers = KEY) {
  const response = await fetch(`http://127.0.0.1:${server.port}/api/${method}`, { method: 'POST', headers, body });
  return { status: response.status, body: await response.text() };
}

const errorOf = (promise) =>
  promise.then(
    () => assert.fail('no error'),
    (error) => error.code,
  );

async function connected(user, claims = {}) {
  const client = new Client(server.port, { token: jwt({ sub: user, ...claims }) });
  return client.connect();
}

test('the key', async () => {
  assert.equal((await text('info', '{}', {})).status, 401);
  assert.equal((await text('info', '{}', { 'X-API-Key': 'test-api-ke' })).status, 401);
  assert.equal((await text('info', '{}', { 'X-API-Key': 'test-api-kez' })).status, 401);
  assert.equal((await text('info', '{}', { 'X-API-Key': '' })).status, 401);
  assert.equal((await text('info', '{}', { Authorization: 'Bearer test-api-key' })).status, 401);
  assert.equal((await text('info', '{}', { Authorization: 'apikey' })).status, 401);
  assert.equal((await text('info', '{}', { Authorization: 'apikey test-api-key' })).status, 200);
  assert.equal((await text('info', '{}', { Authorization: 'ApiKey test-api-key' })).status, 200);
  assert.equal((await text('no_such_method', '{}', {})).status, 401);
});

test('other methods of HTTP, other paths', async () => {
  const url = `http://127.0.0.1:${server.port}`;
  const got = await fetch(`${url}/api/info`, { headers: KEY });
  assert.equal(got.status, 405);
  assert.equal(got.headers.get('allow'), 'POST');
  assert.equal((await text('no_such_method', '{}')).status, 404);
  assert.equal((await text('', '{}')).status, 404);
  assert.equal((await text('publish/', '{}')).status, 404);
  const health = await fetch(`${url}/health`);
  assert.equal(health.status, 200);
  assert.deepEqual(await health.json(), {});
  const empty = await fetch(`${url}/health`, { method: 'HEAD' });
  assert.deepEqual([empty.status, empty.headers.get('content-length'), await empty.text()], [200, '2', '']);
});

for (const body of ['{', '[]', '1', '"x"', 'null', '{"channel":5}', '{"channel":"a","tags":[]}', '{} x', '\u0000',
  '{"channel":"a","data":1,"skip_history":1}', `${'['.repeat(1000)}${']'.repeat(1000)}`]) {
  test(`parameters that cannot be read: ${body.slice(0, 30)}`, async () => {
    assert.equal((await text('publish', body)).status, 400);
  });
}

test('a body that is too long', async () => {
  const body = (n) => JSON.stringify({ channel: 'a', data: 'x'.repeat(n) });
  assert.equal((await text('publish', body(2100000))).status, 413);
  assert.equal(JSON.parse((await text('publish', body(1100000))).body).error.code, 107);
  assert.deepEqual(JSON.parse((await text('publish', body(1000000))).body), { result: {} });
});

test('publish', async () => {
  const channel = fresh('room:');
  const first = await server.api('publish', { channel, data: { input: 'a "b"\n' }, tags: { kind: 'x' } });
  assert.equal(first.offset, 1);
  assert.match(first.epoch, /./);
  const second = await server.api('publish', { channel, data: [null, 1.5, 'ж\u{1f600}'] });
  assert.deepEqual(second, { offset: 2, epoch: first.epoch });
  const { publications, offset, epoch } = await server.api('history', { channel, limit: -1 });
  assert.deepEqual({ offset, epoch }, second);
  assert.deepEqual(publications.map((p) => [p.offset, p.data, p.tags]), [
    [1, { input: 'a "b"\n' }, { kind: 'x' }],
    [2, [null, 1.5, 'ж\u{1f600}'], undefined],
  ]);
  assert.deepEqual(await server.api('publish', { channel: fresh('plain'), data: 1 }), {});
  assert.equal((await server.api('publish', { channel, data: null })).offset, 3);
});

test('publish with a character zero, and with half a character', async () => {
  const channel = fresh('room:');
  const publish = async (data) => JSON.parse((await text('publish', `{"channel":"${channel}","data":${data}}`)).body);
  assert.equal((await publish('"\\u0000"')).result.offset, 1);
  assert.equal((await publish('"\\ud800"')).error.code, 107);
  const { publications } = await server.api('history', { channel, limit: 1 });
  assert.equal(publications[0].data, '\0');
});

test('publish that cannot be', async () => {
  assert.equal(await errorOf(server.api('publish', { data: 1 })), 107);
  assert.equal(await errorOf(server.api('publish', { channel: '', data: 1 })), 107);
  assert.equal(await errorOf(server.api('publish', { channel: 'room:a' })), 107);
  assert.equal(await errorOf(server.api('publish', { channel: 'nowhere:a', data: 1 })), 102);
  assert.equal(await errorOf(server.api('publish', { channel: '$nowhere:a', data: 1 })), 102);
  assert.equal(await errorOf(server.api('publish', { channel: 'x'.repeat(256), data: 1 })), 107);
  assert.equal(await errorOf(server.api('publish', { channel: 'a\u0001', data: 1 })), 107);
  assert.equal(await errorOf(server.api('publish', { channel: 'room:a', data: 1, tags: { a: 1 } })), 107);
  assert.equal(await errorOf(server.api('publish', { channel: 'room:a', data: 1, version: 5 })), 108);
  assert.equal(await errorOf(server.api('publish', { channel: 'room:a', b64data: 'MQ==' })), 108);
});

test('publish without history', async () => {
  const channel = fresh('room:');
  const client = await connected('anna');
  const subscription = await client.subscribe(channel);
  await server.api('publish', { channel, data: 1 });
  assert.deepEqual(await server.api('publish', { channel, data: 2, skip_history: true }), {});
  await subscription.until('publication', 2);
  assert.deepEqual(subscription.data, [1, 2]);
  const { publications } = await server.api('history', { channel, limit: -1 });
  assert.deepEqual(publications.map((p) => p.data), [1]);
  client.close();
});

test('publish once for a key', async () => {
  const channel = fresh('room:');
  const once = { channel, data: 1, idempotency_key: 'k' };
  const first = await server.api('publish', once);
  assert.deepEqual(await server.api('publish', once), first);
  assert.deepEqual(await server.api('publish', { ...once, data: 2 }), first);
  assert.equal((await server.api('publish', { ...once, idempotency_key: 'l' })).offset, 2);
  assert.equal((await server.api('publish', { ...once, channel: fresh('room:') })).offset, 1);
  const { publications } = await server.api('history', { channel, limit: -1 });
  assert.equal(publications.length, 2);
});

test('broadcast', async () => {
  const one = fresh('room:');
  const other = fresh('plain');
  const { responses } = await server.api('broadcast', { channels: [one, 'nowhere:x', other, '', 5, one], data: { a: 1 } });
  assert.equal(responses.length, 6);
  assert.equal(responses[0].result.offset, 1);
  assert.equal(responses[1].error.code, 102);
  assert.deepEqual(responses[2].result, {});
  assert.equal(responses[3].error.code, 107);
  assert.equal(responses[4].error.code, 107);
  assert.equal(responses[5].result.offset, 2);
  assert.equal(await errorOf(server.api('broadcast', { channels: [], data: 1 })), 107);
  assert.equal(await errorOf(server.api('broadcast', { data: 1 })), 107);
  const many = Array.from({ length: 2000 }, (_, i) => `${one}_${i}`);
  const answer = await server.api('broadcast', { channels: many, data: 1 });
  assert.equal(answer.responses.filter((r) => r.result.offset === 1).length, 2000);
});

test('presence and its counts', async () => {
  const channel = fresh('room:');
  assert.deepEqual(await server.api('presence', { channel }), { presence: {} });
  assert.deepEqual(await server.api('presence_stats', { channel }), { num_clients: 0, num_users: 0 });
  const anna = await connected('anna', { info: { name: 'Anna' } });
  const again = await connected('anna');
  const ben = await connected('ben');
  for (const client of [anna, again, ben]) await client.subscribe(channel);
  assert.deepEqual(await server.api('presence_stats', { channel }), { num_clients: 3, num_users: 2 });
  const { presence } = await server.api('presence', { channel });
  const ids = [anna, again, ben].map((client) => client.last('connected').client);
  assert.deepEqual(Object.keys(presence).sort(), [...ids].sort());
  assert.deepEqual(presence[ids[0]], { user: 'anna', client: ids[0], conn_info: { name: 'Anna' } });
  assert.deepEqual(presence[ids[2]], { user: 'ben', client: ids[2] });
  for (const client of [anna, again, ben]) client.close();
  assert.equal(await errorOf(server.api('presence', { channel: 'quiet:x' })), 108);
  assert.equal(await errorOf(server.api('presence_stats', { channel: 'quiet:x' })), 108);
  assert.equal(await errorOf(server.api('presence', {})), 107);
  assert.equal(await errorOf(server.api('presence', { channel: 'nowhere:x' })), 102);
});

test('history: limits, since, reverse, removal', async () => {
  const channel = fresh('room:');
  await server.publishMany(channel, 1, 5);
  const numbers = async (query) => (await server.api('history', { channel, ...query })).publications.map((p) => p.offset);
  const { epoch } = await server.api('history', { channel });
  assert.deepEqual(await numbers({}), []);
  assert.deepEqual(await numbers({ limit: 2 }), [1, 2]);
  assert.deepEqual(await numbers({ limit: 2, reverse: true }), [5, 4]);
  assert.deepEqual(await numbers({ limit: -1, since: { offset: 3, epoch } }), [4, 5]);
  assert.deepEqual(await numbers({ limit: -1, since: { offset: 3, epoch }, reverse: true }), [2, 1]);
  assert.deepEqual(await numbers({ limit: -1, since: { offset: 9, epoch } }), []);
  assert.equal(await errorOf(server.api('history', { channel, limit: 1, since: { offset: 1, epoch: 'other' } })), 112);
  assert.equal(await errorOf(server.api('history', { channel, limit: 1, since: { offset: 0, epoch }, reverse: true })), 107);
  assert.equal(await errorOf(server.api('history', { channel, limit: -2 })), 107);
  assert.deepEqual(await server.api('history_remove', { channel }), {});
  assert.deepEqual(await numbers({ limit: -1 }), []);
  assert.equal((await server.api('history', { channel })).offset, 5);
  assert.equal((await server.api('publish', { channel, data: 6 })).offset, 6);
  for (const method of ['history', 'history_remove']) {
    assert.equal(await errorOf(server.api(method, { channel: fresh('plain') })), 108);
    assert.equal(await errorOf(server.api(method, { channel: 'nowhere:x' })), 102);
    assert.equal(await errorOf(server.api(method, {})), 107);
  }
});

test('history tells who has published', async () => {
  const channel = fresh('room:');
  const anna = await connected('anna', { info: { n: 1 } });
  await anna.sdk.publish(channel, { by: 'anna' });
  const { publications } = await server.api('history', { channel, limit: 1 });
  const client = anna.last('connected').client;
  assert.deepEqual(publications, [{ offset: 1, data: { by: 'anna' }, info: { user: 'anna', client, conn_info: { n: 1 } } }]);
  anna.close();
});

test('channels and info', async () => {
  const channel = fresh('room:');
  const anna = await connected('anna');
  const ben = await connected('ben');
  await anna.subscribe(channel);
  await ben.subscribe(channel);
  await ben.subscribe(`${channel}_b`);
  const { channels } = await server.api('channels');
  assert.deepEqual(channels[channel], { num_clients: 2 });
  const some = await server.api('channels', { pattern: `${channel}_*` });
  assert.deepEqual(some.channels, { [`${channel}_b`]: { num_clients: 1 } });
  assert.equal(await errorOf(server.api('channels', { pattern: 'a**' })), 107);
  const { nodes } = await server.api('info');
  assert.equal(nodes.length, 1);
  assert.ok(nodes[0].uid && nodes[0].name && nodes[0].version);
  assert.ok(nodes[0].num_clients >= 2 && nodes[0].num_users >= 2 && nodes[0].num_channels >= 2 && nodes[0].num_subs >= 3);
  assert.ok(Number.isInteger(nodes[0].uptime));
  anna.close();
  ben.close();
});

test('subscribe and unsubscribe a user', async () => {
  const user = fresh('user');
  const channel = fresh('room:');
  const clients = [await connected(user), await connected(user)];
  const other = await connected('other');
  assert.deepEqual(await server.api('subscribe', { user, channel }), {});
  for (const client of clients) assert.equal((await client.until('subscribed')).channel, channel);
  await server.api('publish', { channel, data: { n: 1 } });
  for (const client of clients) assert.deepEqual((await client.until('publication')).data, { n: 1 });
  assert.deepEqual(await server.api('unsubscribe', { user, channel }), {});
  for (const client of clients) assert.equal((await client.until('unsubscribed')).channel, channel);
  assert.equal(other.all('subscribed').length, 0);
  assert.equal(await errorOf(server.api('subscribe', { user })), 107);
  assert.equal(await errorOf(server.api('subscribe', { user, channel: 'nowhere:x' })), 102);
  assert.equal(await errorOf(server.api('subscribe', { user, channel, expire_at: now() - 1 })), 107);
  assert.equal(await errorOf(server.api('subscribe', { user, channel, override: { presence: { value: true } } })), 108);
  assert.equal(await errorOf(server.api('unsubscribe', { user, channel: 'nowhere:x' })), 102);
  assert.equal(await errorOf(server.api('unsubscribe', { user, channel, code: 100 })), 107);
  for (const client of [...clients, other]) client.close();
});

test('subscribe one client of a user, with data and since a position', async () => {
  const user = fresh('user');
  const channel = fresh('room:');
  const { epoch } = await server.api('publish', { channel, data: 1 });
  await server.publishMany(channel, 2, 3, (i) => i);
  const one = await connected(user);
  const other = await connected(user);
  const client = one.last('connected').client;
  const options = { user, client, channel, data: { hello: 1 }, recover_since: { offset: 1, epoch } };
  assert.deepEqual(await server.api('subscribe', options), {});
  assert.deepEqual((await one.until('subscribed')).data, { hello: 1 });
  await one.until('publication', 2);
  assert.deepEqual(one.all('publication').map((p) => p.data), [2, 3]);
  await server.api('publish', { channel, data: 4 });
  await one.until('publication', 3);
  assert.equal(other.all('subscribed').length, 0);
  one.close();
  other.close();
});

test('unsubscribe a client from what it asked for', async () => {
  const user = fresh('user');
  const channel = fresh('room:');
  const one = await connected(user);
  const other = await connected(user);
  const mine = await one.subscribe(channel);
  const theirs = await other.subscribe(channel);
  await server.api('unsubscribe', { user, channel, client: one.last('connected').client });
  assert.equal((await mine.until('unsubscribed')).code, 2000);
  assert.equal(theirs.all('unsubscribed').length, 0);
  await server.api('unsubscribe', { user, channel, code: 2500 });
  await theirs.until('subscribed', 2);
  one.close();
  other.close();
});

test('disconnect', async () => {
  const user = fresh('user');
  const [one, two, three] = [await connected(user), await connected(user), await connected(user)];
  const id = (client) => client.last('connected').client;
  await server.api('disconnect', { user, client: id(one) });
  assert.deepEqual(await one.until('disconnected'), { event: 'disconnected', code: 3503, reason: 'force disconnect' });
  assert.equal(two.all('disconnected').length, 0);
  await server.api('disconnect', { user, whitelist: [id(two)], disconnect: { code: 4500, reason: 'enough' } });
  assert.deepEqual(await three.until('disconnected'), { event: 'disconnected', code: 4500, reason: 'enough' });
  assert.equal(two.all('disconnected').length, 0);
  await server.api('disconnect', { user, disconnect: { code: 4000, reason: 'again' } });
  await two.until('connected', 2);
  await server.api('disconnect', { user });
  assert.equal((await two.until('disconnected')).code, 3503);
  assert.equal(await errorOf(server.api('disconnect', { user, disconnect: { code: 1000, reason: '' } })), 107);
  assert.equal(await errorOf(server.api('disconnect', { user, disconnect: {} })), 107);
  assert.deepEqual(await server.api('disconnect', { user: fresh('nobody') }), {});
});

test('refresh moves the end of a connection, or is it', async () => {
  const user = fresh('user');
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/connection/websocket`);
  let closed = 0;
  socket.on('close', (code) => {
    closed = code;
  });
  const message = () => new Promise((resolve) => socket.once('message', (data) => resolve(JSON.parse(data))));
  await new Promise((resolve) => socket.on('open', resolve));
  socket.send(JSON.stringify({ id: 1, connect: { token: jwt({ sub: user, exp: now() + 2 }) } }));
  assert.equal((await message()).connect.expires, true);
  const pushed = message();
  assert.deepEqual(await server.api('refresh', { user, expire_at: now() + 3600 }), {});
  const { push } = await pushed;
  assert.ok(push.refresh.expires && push.refresh.ttl > 3590);
  await sleep(3500);
  assert.equal(closed, 0);
  await server.api('refresh', { user, expired: true });
  const deadline = Date.now() + 3000;
  while (!closed && Date.now() < deadline) await sleep(20);
  assert.equal(closed, 3005);
});

test('rpc', async () => {
  assert.equal(await errorOf(server.api('rpc', {})), 107);
  assert.equal(await errorOf(server.api('rpc', { method: 'nothing', params: {} })), 104);
});

test('batch', async () => {
  const channel = fresh('room:');
  const commands = [
    { publish: { channel, data: 1 } },
    { publish: { channel, data: 2 } },
    { history: { channel, limit: -1 } },
    { publish: { channel: 'nowhere:x', data: 1 } },
    { broadcast: { channels: [channel, ''], data: 3 } },
    { nothing: {} },
    { batch: { commands: [] } },
    { publish: { channel: 7 } },
    {},
    7,
  ];
  for (const parallel of [false, true]) {
    const response = await server.request('batch', { commands, parallel });
    assert.equal(response.status, 200);
    const { replies, ...rest } = await response.json();
    assert.deepEqual(rest, {});
    assert.equal(replies.length, commands.length);
    assert.equal(replies[1].publish.offset, replies[0].publish.offset + 1);
    assert.deepEqual(replies[2].history.publications.slice(-2).map((p) => p.data), [1, 2]);
    assert.equal(replies[3].error.code, 102);
    assert.ok(replies[4].broadcast.responses[0].result.offset > replies[1].publish.offset);
    assert.equal(replies[4].broadcast.responses[1].error.code, 107);
    assert.deepEqual(replies.slice(5).map((reply) => reply.error.code), [104, 104, 107, 104, 104]);
  }
  assert.deepEqual(await (await server.request('batch', {})).json(), { replies: [] });
});

test('many at once, in pieces, on one connection', async () => {
  const { default: net } = await import('node:net');
  const socket = net.connect(server.port, '127.0.0.1');
  const channel = fresh('room:');
  const body = JSON.stringify({ channel, data: 'x'.repeat(9000) });
  const one = `POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: test-api-key\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  const all = one.repeat(20);
  for (let at = 0; at < all.length; at += 7001) {
    socket.write(all.slice(at, at + 7001));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const deadline = Date.now() + 5000;
  while ((received.match(/"offset":/g) ?? []).length < 20 && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  socket.destroy();
  const offsets = [...received.matchAll(/"offset":(\d+)/g)].map((match) => Number(match[1]));
  assert.deepEqual(offsets, Array.from({ length: 20 }, (_, i) => i + 1));
});
