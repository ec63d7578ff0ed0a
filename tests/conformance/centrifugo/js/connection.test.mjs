// The JavaScript SDK: connecting, tokens, expiry, disconnects, pings.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, Server, Wire, fresh, jwt, now, sleep } from './support.mjs';

let server;
let insecure;
let strict;
const opened = [];

before(async () => {
  [server, insecure, strict] = await Promise.all(['token', 'insecure', 'strict'].map((name) => Server.start(name)));
});
after(async () => {
  for (const client of opened) client.close();
  for (const each of [server, insecure, strict]) assert.equal(await each.stop(), 0);
});

function make(port, options) {
  const client = new Client(port, options);
  opened.push(client);
  return client;
}

async function refused(port, options) {
  const client = make(port, options);
  client.sdk.connect();
  return client.until('disconnected');
}

describe('connection', { concurrency: 8 }, () => {
  test('connect insecure', async () => {
    const client = await make(insecure.port).connect();
    const { client: id, transport } = client.last('connected');
    assert.match(id, /^\S{8,}$/);
    assert.equal(transport, 'websocket');
    assert.equal(client.all('error').length, 0);
  });

  for (const bits of [256, 384, 512])
    test(`connect with a JWT of HS${bits}`, async () => {
      const user = fresh('user');
      const client = await make(server.port, {
        token: jwt({ sub: user, exp: now() + 600, info: { name: 'Ω' } }, { bits }),
      }).connect();
      const channel = fresh('room:who');
      await client.subscribe(channel);
      const { presence } = await server.api('presence', { channel });
      assert.deepEqual(Object.values(presence), [
        { user, client: client.last('connected').client, conn_info: { name: 'Ω' } },
      ]);
    });

  test('connect with a JWT without expiry', async () => {
    await make(server.port, { token: jwt({ sub: 'eternal' }) }).connect();
  });

  test('connect with data, name, version and headers', async () => {
    const options = { token: jwt({ sub: 'x' }), data: { a: [1, 'é'] }, name: 'tests', version: '1.2.3', headers: { 'X-A': 'b' } };
    await make(server.port, options).connect();
  });

  test('connect refused: wrong signature', async () => {
    const { code, reason } = await refused(server.port, { token: jwt({ sub: 'x' }, { secret: 'other' }) });
    assert.deepEqual([code, reason], [3500, 'invalid token']);
  });

  test('connect refused: something that is no JWT', async () => {
    for (const token of ['x', 'a.b.c', `${jwt({ sub: 'x' })}x`, jwt({ sub: 'x' }).split('.').slice(0, 2).join('.') + '.'])
      assert.equal((await refused(server.port, { token })).code, 3500, token);
  });

  test('connect refused: algorithm none', async () => {
    const [, claims] = jwt({ sub: 'x' }).split('.');
    const head = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
    assert.equal((await refused(server.port, { token: `${head}.${claims}.` })).code, 3500);
  });

  test('connect refused: no token', async () => {
    const { code, reason } = await refused(server.port, {});
    assert.deepEqual([code, reason], [3501, 'bad request']);
  });

  test('connect with audience and issuer', async () => {
    const good = { sub: 'x', aud: 'test-audience', iss: 'test-issuer' };
    await make(strict.port, { token: jwt(good) }).connect();
    await make(strict.port, { token: jwt({ ...good, aud: ['other', 'test-audience'] }) }).connect();
    for (const wrong of [{ aud: 'other' }, { iss: 'other' }, { aud: undefined }, { iss: undefined }])
      assert.equal((await refused(strict.port, { token: jwt({ ...good, ...wrong }) })).code, 3500, JSON.stringify(wrong));
  });

  test('connect refused: not before a later time', async () => {
    const client = make(server.port, { token: jwt({ sub: 'x', nbf: now() + 600 }) });
    client.sdk.connect();
    await client.until('disconnected');
    assert.equal(client.all('error')[0].error.code, 109);
    await make(server.port, { token: jwt({ sub: 'x', nbf: now() - 5 }) }).connect();
  });

  test('connect without a token as anonymous', async () => {
    const client = await make(strict.port).connect();
    assert.ok(client.last('connected').client);
  });

  test('connection token: an expired one is replaced through getToken', async () => {
    let asked = 0;
    const client = make(server.port, {
      token: jwt({ sub: 'x', exp: now() - 10 }),
      getToken: async () => {
        asked++;
        return jwt({ sub: 'x', exp: now() + 600 });
      },
    });
    client.sdk.connect();
    await client.until('connected');
    assert.equal(asked, 1);
    assert.equal(client.last('error').error.code, 109);
  });

  test('connection token: refreshed before it runs out', async () => {
    let asked = 0;
    const getToken = async () => {
      asked++;
      return jwt({ sub: 'x', exp: now() + 2 });
    };
    const client = await make(server.port, { getToken }).connect();
    await sleep(5500);
    assert.ok(asked >= 3, `asked ${asked} times`);
    assert.equal(client.all('connected').length, 1);
    assert.equal(client.all('error').length, 0);
  });

  test('connection expiry: 3005 when no new token comes, then a new connection', async () => {
    let asked = 0;
    const getToken = () => {
      asked++;
      if (asked === 1) return Promise.resolve(jwt({ sub: 'x', exp: now() + 2 }));
      if (asked === 2) return new Promise(() => {});
      return Promise.resolve(jwt({ sub: 'x', exp: now() + 600 }));
    };
    const client = await make(server.port, { getToken }).connect();
    await client.until('connected', 2);
    assert.ok(client.all('connecting').some(({ code, reason }) => code === 3005 && reason === 'connection expired'));
  });

  test('connection refresh with a token that is not valid: 3500', async () => {
    const tokens = [jwt({ sub: 'x', exp: now() + 2 }), jwt({ sub: 'x', exp: now() + 9 }, { secret: 'other' })];
    const client = make(server.port, { getToken: async () => tokens.shift() });
    client.sdk.connect();
    assert.equal((await client.until('disconnected')).code, 3500);
  });

  test('connection refresh with an expired token: 3005', async () => {
    const tokens = [now() + 2, now() - 5, now() + 600, now() + 600];
    const client = make(server.port, { getToken: async () => jwt({ sub: 'x', exp: tokens.shift() }) });
    client.sdk.connect();
    await client.until('connected', 2);
    assert.ok(client.all('connecting').some(({ code }) => code === 3005));
  });

  for (const code of [3503, 3999, 4500, 4999])
    test(`disconnect by the server: ${code} is terminal`, async () => {
      const user = fresh('user');
      const client = await make(server.port, { token: jwt({ sub: user }) }).connect();
      await server.api('disconnect', { user, disconnect: { code, reason: 'so it is' } });
      const context = await client.until('disconnected');
      assert.deepEqual([context.code, context.reason], [code, 'so it is']);
      await sleep(700);
      assert.equal(client.sdk.state, 'disconnected');
      assert.equal(client.all('connected').length, 1);
    });

  for (const code of [3100, 3499, 4000, 4499])
    test(`disconnect by the server: ${code} is followed by a reconnect`, async () => {
      const user = fresh('user');
      const client = await make(server.port, { token: jwt({ sub: user }) }).connect();
      await server.api('disconnect', { user, disconnect: { code, reason: 'come back' } });
      await client.until('connected', 2);
      assert.ok(client.all('connecting').some((each) => each.code === code && each.reason === 'come back'));
      assert.equal(client.all('disconnected').length, 0);
    });

  test('disconnect by the server: without a code it is terminal, 3503', async () => {
    const user = fresh('user');
    const client = await make(server.port, { token: jwt({ sub: user }) }).connect();
    await server.api('disconnect', { user });
    assert.equal((await client.until('disconnected')).code, 3503);
  });

  test('disconnect by the server: only one of the connections of a user', async () => {
    const user = fresh('user');
    const one = await make(server.port, { token: jwt({ sub: user }) }).connect();
    const two = await make(server.port, { token: jwt({ sub: user }) }).connect();
    await server.api('disconnect', { user, client: two.last('connected').client });
    await two.until('disconnected');
    await sleep(100);
    assert.equal(one.sdk.state, 'connected');
  });

  test('disconnect by the server: 3014 makes the client drop its token', async () => {
    const user = fresh('user');
    let asked = 0;
    const getToken = async () => {
      asked++;
      return jwt({ sub: user });
    };
    const client = await make(server.port, { getToken }).connect();
    const channel = fresh('room:invalid');
    const room = await client.subscribe(channel);
    await server.api('publish', { channel, data: {} });
    await room.until('publication');
    await server.api('disconnect', { user, disconnect: { code: 3014, reason: 'state invalidated' } });
    const again = await room.until('subscribed', 2);
    assert.equal(asked, 2);
    assert.deepEqual([again.wasRecovering, again.recovered], [true, false]);
  });

  test('disconnect by the client, and connecting again', async () => {
    const client = await make(insecure.port).connect();
    client.sdk.disconnect();
    assert.equal(client.last('disconnected').code, 0);
    await client.connect();
    assert.equal(client.all('connected').length, 2);
    assert.notEqual(client.all('connected')[0].client, client.all('connected')[1].client);
  });

  test('shutdown of the server: 3001', async () => {
    const short = await Server.start('insecure');
    const client = await make(short.port).connect();
    assert.equal(await short.stop(), 0);
    const { code, reason } = await client.when(() => client.all('connecting').find((each) => each.code > 0));
    assert.deepEqual([code, reason], [3001, 'shutdown']);
    client.close();
  });

  test('ping and pong keep the connection', async () => {
    const client = await make(insecure.port).connect();
    await sleep(3500);
    assert.equal(client.all('connected').length, 1);
    assert.equal(client.sdk.state, 'connected');
    const pings = client.received.flatMap((frame) => frame.split('\n')).filter((line) => line === '{}').length;
    assert.ok(pings >= 2, `${pings} pings`);
    assert.ok(client.sent.filter((line) => line === '{}').length >= pings - 1);
  });

  test('a client that does not answer pings: 3012', async () => {
    const wire = await Wire.to(insecure.port);
    const client = make(wire.port, { maxServerPingDelay: 20000 });
    await client.connect();
    for (const pair of wire.pairs) pair.near.pause();
    await sleep(3000);
    for (const pair of wire.pairs) pair.near.resume();
    const { code, reason } = await client.when(() => client.all('connecting').find((each) => each.code > 0));
    assert.deepEqual([code, reason], [3012, 'no pong']);
    client.close();
    wire.close();
  });

  test('a server that went silent: the client reconnects by itself', async () => {
    const wire = await Wire.to(insecure.port);
    const client = await make(wire.port, { maxServerPingDelay: 500 }).connect();
    wire.stall();
    await client.until('connected', 2);
    assert.ok(client.all('connecting').some(({ code }) => code === 2));
    client.close();
    wire.close();
  });

  test('refresh by the server: the connection is expired from outside', async () => {
    const user = fresh('user');
    const client = await make(server.port, { token: jwt({ sub: user }) }).connect();
    await server.api('refresh', { user, expired: true });
    const { code } = await client.when(() => client.all('connecting').find((each) => each.code > 0));
    assert.equal(code, 3005);
  });

  test('a message over the size limit: closed with 1009, final for the client', async () => {
    const client = await make(insecure.port).connect();
    const sending = client.sdk.publish('big', { text: 'x'.repeat(70000) });
    await assert.rejects(sending);
    const { code } = await client.until('disconnected');
    assert.equal(code, 3);
  });

  test('API: a wrong key is refused, the header Authorization works', async () => {
    assert.equal((await server.request('info', {}, { 'X-API-Key': 'wrong' })).status, 401);
    assert.equal((await server.request('info', {}, {})).status, 401);
    assert.equal((await server.request('info', {}, { Authorization: 'apikey test-api-key' })).status, 200);
    assert.equal((await server.api('info')).nodes.length, 1);
  });
});
