// The JavaScript SDK: rooms, presence, history, permissions, RPC, batches.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, Server, fresh, jwt, now, numbered, sleep, subscriptionToken } from './support.mjs';

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

async function enter(user = fresh('user'), port = server.port, claims = {}, options = {}) {
  const client = new Client(port, { token: jwt({ sub: user, ...claims }), ...options });
  opened.push(client);
  client.user = user;
  return client.connect();
}

async function anonymous(port = insecure.port) {
  const client = new Client(port);
  opened.push(client);
  return client.connect();
}

const fails = (promise, code, message) => assert.rejects(promise, (error) => {
  assert.deepEqual([error.code, error.message], [code, message]);
  return true;
});

const gone = ({ code, reason }) => [code, reason];

describe('channels', { concurrency: 8 }, () => {
  test('subscribe and publish', async () => {
    const [one, two] = [await enter('one', server.port, { info: { n: 1 } }), await enter()];
    const channel = fresh('room:');
    const [mine, other] = [await one.subscribe(channel), await two.subscribe(channel)];
    const { recoverable, positioned, streamPosition } = mine.last('subscribed');
    assert.deepEqual([recoverable, positioned, streamPosition.offset], [true, true, 0]);
    assert.equal(other.last('subscribed').streamPosition.epoch, streamPosition.epoch);
    await mine.sdk.publish({ text: 'Привет 🙂' });
    for (const room of [mine, other]) {
      const publication = await room.until('publication');
      assert.deepEqual(publication.data, { text: 'Привет 🙂' });
      assert.equal(publication.offset, 1);
      assert.deepEqual(publication.info, { user: 'one', client: one.last('connected').client, connInfo: { n: 1 } });
    }
    assert.equal(mine.all('publication').length, 1);
  });

  test('publish without a subscription', async () => {
    const [one, two] = [await enter(), await enter()];
    const channel = fresh('room:');
    const room = await two.subscribe(channel);
    await one.sdk.publish(channel, [1, 2, 3]);
    assert.deepEqual((await room.until('publication')).data, [1, 2, 3]);
  });

  test('publish through the API, with tags', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    const result = await server.api('publish', { channel, data: 'text', tags: { a: 'b', ü: '1' } });
    assert.equal(result.offset, 1);
    assert.equal(result.epoch, room.last('subscribed').streamPosition.epoch);
    const { data, tags, info } = await room.until('publication');
    assert.deepEqual([data, tags, info], ['text', { a: 'b', ü: '1' }, undefined]);
  });

  test('data of every kind of JSON comes back as it was', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    const values = [0, -1.5e-7, true, 'a"\\\n\t\u0001\u2028\u{1f600}', [], {}, [[[{}]]], { '': { a: [1, '2'] } }, 'x'.repeat(20000)];
    for (const data of values) await room.sdk.publish(data);
    await room.until('publication', values.length);
    assert.deepEqual(room.data, values);
  });

  test('a publication larger than the size limit of clients', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    const data = { text: 'ж'.repeat(150000) };
    await server.api('publish', { channel, data });
    assert.deepEqual((await room.until('publication')).data, data);
  });

  test('API: broadcast and channels', async () => {
    const client = await enter();
    const names = [fresh('room:'), fresh('room:'), fresh('plain')];
    const rooms = [];
    for (const name of names) rooms.push(await client.subscribe(name));
    const { responses } = await server.api('broadcast', { channels: names, data: { to: 'all' } });
    assert.equal(responses.length, 3);
    for (const room of rooms) assert.deepEqual((await room.until('publication')).data, { to: 'all' });
    const { channels } = await server.api('channels', {});
    for (const name of names) assert.equal(channels[name].num_clients, 1);
  });

  test('API: an idempotency key makes a publication count once', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    for (let i = 0; i < 3; i++) await server.api('publish', { channel, data: { i }, idempotency_key: 'k' });
    await server.api('publish', { channel, data: { i: 9 } });
    await room.until('publication', 2);
    assert.deepEqual(room.data, [{ i: 0 }, { i: 9 }]);
  });

  test('API: errors', async () => {
    await fails(server.api('publish', { channel: 'unknown:x', data: {} }), 102, 'unknown channel');
    await fails(server.api('publish', { channel: '', data: {} }), 107, 'bad request');
    await fails(server.api('history', { channel: fresh('quiet:') }), 108, 'not available');
    await fails(server.api('presence', { channel: fresh('quiet:') }), 108, 'not available');
  });

  test('a room without history: no offsets', async () => {
    const client = await enter();
    const room = await client.subscribe(fresh('plain'));
    assert.deepEqual([room.last('subscribed').recoverable, room.last('subscribed').positioned], [false, false]);
    await room.sdk.publish({ a: 1 });
    assert.equal((await room.until('publication')).offset, undefined);
    await fails(room.sdk.history({ limit: 1 }), 108, 'not available');
  });

  test('permissions: errors and their codes', async () => {
    const client = await enter();
    assert.deepEqual(gone((await client.subscribe(fresh('unknown:'))).last('unsubscribed')), [102, 'unknown channel']);
    assert.deepEqual(gone((await client.subscribe(fresh('secret:'))).last('unsubscribed')), [103, 'permission denied']);
    const quiet = await client.subscribe(fresh('quiet:'));
    await fails(quiet.sdk.publish({}), 103, 'permission denied');
    await fails(quiet.sdk.presence(), 108, 'not available');
    await fails(quiet.sdk.presenceStats(), 108, 'not available');
    await fails(quiet.sdk.history({ limit: 1 }), 108, 'not available');
    const secret = fresh('secret:');
    await fails(client.sdk.publish(secret, {}), 103, 'permission denied');
    await fails(client.sdk.presence(secret), 103, 'permission denied');
    await fails(client.sdk.history(secret, { limit: 1 }), 103, 'permission denied');
    assert.equal(client.all('disconnected').length, 0);
  });

  test('permissions: an anonymous user only where it is allowed', async () => {
    const client = await anonymous(strict.port);
    assert.deepEqual(gone((await client.subscribe(fresh('plain'))).last('unsubscribed')), [103, 'permission denied']);
    const room = await client.subscribe(fresh('room:'));
    await room.sdk.publish({ by: 'nobody' });
    assert.equal((await room.until('publication')).info.user, '');
  });

  test('permissions: insecure allows everything', async () => {
    const client = await anonymous();
    const room = await client.subscribe(fresh('secret:'));
    await room.sdk.publish({});
    await room.until('publication');
    assert.equal((await room.sdk.history({ limit: 10 })).publications.length, 1);
    assert.equal(Object.keys((await room.sdk.presence()).clients).length, 1);
  });

  test('permissions: channels limited to users, publish for subscribers', async () => {
    const [anna, bert, carl] = [await enter('anna'), await enter('bert'), await enter('carl')];
    const channel = fresh('users:talk') + '#anna,bert';
    const room = await anna.subscribe(channel);
    assert.equal((await bert.subscribe(channel)).all('subscribed').length, 1);
    assert.equal((await carl.subscribe(channel)).last('unsubscribed').code, 103);
    await room.sdk.publish({});
    await fails(carl.sdk.publish(channel, {}), 103, 'permission denied');
  });

  test('presence and presence stats', async () => {
    const channel = fresh('room:');
    const one = await enter('same', server.port, { info: [1] });
    const two = await enter('same');
    const room = await one.subscribe(channel);
    const other = await two.subscribe(channel);
    const [a, b] = [one.last('connected').client, two.last('connected').client];
    const { clients } = await room.sdk.presence();
    assert.deepEqual(Object.keys(clients).sort(), [a, b].sort());
    assert.deepEqual([clients[a].user, clients[a].client, clients[a].connInfo], ['same', a, [1]]);
    assert.deepEqual(clients[b], { client: b, user: 'same' });
    assert.deepEqual(await room.sdk.presenceStats(), { numClients: 2, numUsers: 1 });
    other.sdk.unsubscribe();
    await room.until('leave');
    assert.deepEqual(await room.sdk.presenceStats(), { numClients: 1, numUsers: 1 });
    assert.deepEqual(await server.api('presence_stats', { channel }), { num_clients: 1, num_users: 1 });
    one.close();
    await sleep(100);
    assert.deepEqual(await server.api('presence_stats', { channel }), { num_clients: 0, num_users: 0 });
  });

  test('presence: subscribing and unsubscribing many times leaves nothing behind', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    for (let i = 0; i < 20; i++) {
      assert.equal((await room.sdk.presenceStats()).numClients, 1);
      room.sdk.unsubscribe();
      assert.equal((await client.sdk.presenceStats(channel)).numClients, 0);
      room.sdk.subscribe();
      await room.sdk.ready(5000);
    }
  });

  test('history: forward, reverse, since, and limits', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await server.publishMany(channel, 1, 10);
    const { epoch } = room.last('subscribed').streamPosition;
    const read = async (options) => {
      const { publications, offset, epoch: current } = await room.sdk.history(options);
      assert.deepEqual([offset, current], [10, epoch]);
      return publications.map((each) => each.offset);
    };
    const row = (from, to) => numbered(from, to).map(({ i }) => i);
    assert.deepEqual(await read({}), []);
    assert.deepEqual(await read({ limit: 0 }), []);
    assert.deepEqual(await read({ limit: -1 }), row(1, 10));
    assert.deepEqual(await read({ limit: 3 }), [1, 2, 3]);
    assert.deepEqual(await read({ limit: 100 }), row(1, 10));
    assert.deepEqual(await read({ limit: 3, since: { offset: 4, epoch } }), [5, 6, 7]);
    assert.deepEqual(await read({ limit: -1, since: { offset: 8, epoch } }), [9, 10]);
    assert.deepEqual(await read({ limit: 5, since: { offset: 10, epoch } }), []);
    assert.deepEqual(await read({ limit: 5, since: { offset: 8 } }), [9, 10]);
    assert.deepEqual(await read({ limit: -1, reverse: true }), row(1, 10).reverse());
    assert.deepEqual(await read({ limit: 3, reverse: true }), [10, 9, 8]);
    assert.deepEqual(await read({ limit: 3, reverse: true, since: { offset: 5, epoch } }), [4, 3, 2]);
    assert.deepEqual(await read({ limit: -1, reverse: true, since: { offset: 3, epoch } }), [2, 1]);
    assert.deepEqual((await room.sdk.history({ limit: 1 })).publications[0].data, { i: 1 });
    await fails(room.sdk.history({ limit: 1, since: { offset: 4, epoch: 'wrong' } }), 112, 'unrecoverable position');
    await fails(room.sdk.history({ limit: 1, reverse: true, since: { offset: 0, epoch } }), 107, 'bad request');
  });

  test('history: no more than the limit of the server at once, and removal', async () => {
    const client = await enter();
    const channel = fresh('room:');
    await server.publishMany(channel, 1, 310);
    assert.equal((await client.sdk.history(channel, { limit: -1 })).publications.length, 300);
    assert.equal((await client.sdk.history(channel, { limit: 305 })).publications.length, 300);
    const { epoch } = await client.sdk.history(channel);
    await server.api('history_remove', { channel });
    assert.deepEqual(await client.sdk.history(channel, { limit: -1 }), { publications: [], offset: 310, epoch });
  });

  test('history: the API reads the same', async () => {
    const client = await enter('writer');
    const channel = fresh('room:');
    await client.sdk.publish(channel, { i: 1 });
    await server.api('publish', { channel, data: { i: 2 }, tags: { t: 'x' } });
    const { publications, offset } = await server.api('history', { channel, limit: 10 });
    assert.equal(offset, 2);
    assert.deepEqual(publications.map(({ data, offset: at, tags }) => [data, at, tags]), [
      [{ i: 1 }, 1, undefined],
      [{ i: 2 }, 2, { t: 'x' }],
    ]);
    assert.equal(publications[0].info.user, 'writer');
  });

  test('join and leave, forced by the server', async () => {
    const channel = fresh('room:');
    const one = await enter();
    const room = await one.subscribe(channel);
    assert.equal((await room.until('join')).info.client, one.last('connected').client);
    const two = await enter('visitor', server.port, { info: { v: 1 } });
    const other = await two.subscribe(channel);
    const { info } = await room.until('join', 2);
    assert.deepEqual(info, { client: two.last('connected').client, user: 'visitor', connInfo: { v: 1 } });
    other.sdk.unsubscribe();
    assert.deepEqual((await room.until('leave')).info, info);
    other.sdk.subscribe();
    await room.until('join', 3);
    two.close();
    await room.until('leave', 2);
  });

  test('join and leave, only for those who ask', async () => {
    const channel = fresh('ask:');
    const [one, two, three] = [await enter(), await enter(), await enter()];
    const asking = await one.subscribe(channel, { joinLeave: true });
    const silent = await two.subscribe(channel);
    await three.subscribe(channel);
    await asking.until('join', 3);
    three.close();
    await asking.until('leave');
    assert.equal(silent.all('join').length + silent.all('leave').length, 0);
  });

  test('positioned and recoverable only for those who ask', async () => {
    const client = await enter();
    const flags = ({ positioned, recoverable }) => [positioned, recoverable];
    assert.deepEqual(flags((await client.subscribe(fresh('ask:'))).last('subscribed')), [false, false]);
    assert.deepEqual(flags((await client.subscribe(fresh('ask:'), { positioned: true })).last('subscribed')), [true, false]);
    assert.deepEqual(flags((await client.subscribe(fresh('ask:'), { recoverable: true })).last('subscribed')), [true, true]);
  });

  test('unsubscribe by the server: 2000 is final', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await server.api('unsubscribe', { user: client.user, channel });
    assert.deepEqual(gone(await room.until('unsubscribed')), [2000, 'server unsubscribe']);
    await server.api('publish', { channel, data: {} });
    await sleep(300);
    assert.equal(room.all('publication').length, 0);
    assert.equal(room.all('subscribed').length, 1);
    assert.equal((await server.api('presence_stats', { channel })).num_clients, 0);
    room.sdk.subscribe();
    await room.until('subscribed', 2);
  });

  test('unsubscribe by the server: 2500 resubscribes and recovers', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    await server.api('publish', { channel, data: { i: 1 } });
    await room.until('publication');
    await server.api('unsubscribe', { user: client.user, channel, code: 2500, reason: 'insufficient state' });
    await server.api('publish', { channel, data: { i: 2 } });
    const { wasRecovering, recovered } = await room.until('subscribed', 2);
    assert.deepEqual(gone(room.all('subscribing').at(-1)), [2500, 'insufficient state']);
    assert.deepEqual([wasRecovering, recovered], [true, true]);
    await room.until('publication', 2);
    assert.deepEqual(room.data, numbered(1, 2));
    assert.equal(client.all('connected').length, 1);
  });

  test('RPC: known and unknown methods, errors of the application', async () => {
    const client = await enter();
    const data = { deep: [1, { a: 'ё' }] };
    assert.deepEqual((await client.sdk.rpc('echo', data)).data, data);
    await fails(client.sdk.rpc('no such method', {}), 104, 'method not found');
    await fails(client.sdk.rpc('fail', {}), 1234, 'as asked');
    const answers = await Promise.all(numbered(1, 50).map((each) => client.sdk.rpc('echo', each)));
    assert.deepEqual(answers.map((answer) => answer.data), numbered(1, 50));
  });

  test('send and message', async () => {
    const client = await enter();
    await client.sdk.send({ message: { hello: ['world'] } });
    assert.deepEqual((await client.until('message')).data, { hello: ['world'] });
  });

  test('batches: connect and 100 optimistic subscriptions in one frame', async () => {
    const client = new Client(server.port, { token: jwt({ sub: 'batch' }) });
    opened.push(client);
    const rooms = numbered(1, 100).map(() => client.subscription(fresh('room:')));
    for (const room of rooms) room.sdk.subscribe();
    await client.connect();
    for (const room of rooms) await room.until('subscribed');
    assert.equal(client.sent[0].split('\n').filter(Boolean).length, 101);
    for (const [i, room] of rooms.entries()) await client.sdk.publish(room.sdk.channel, i);
    for (const [i, room] of rooms.entries()) {
      await room.until('publication');
      assert.deepEqual(room.data, [i]);
    }
  });

  test('batches: startBatching and stopBatching', async () => {
    const client = await enter();
    const channel = fresh('room:');
    const room = await client.subscribe(channel);
    const before = client.sent.length;
    client.sdk.startBatching();
    const all = numbered(1, 50).map((each) => room.sdk.publish(each));
    const history = room.sdk.history({ limit: -1 });
    client.sdk.stopBatching();
    await Promise.all(all);
    assert.equal(client.sent.length, before + 1);
    await room.until('publication', 50);
    assert.deepEqual(room.data, numbered(1, 50));
    assert.equal((await history).publications.length, 50);
  });

  test('batches: a connect that is refused drops the rest of its frame', async () => {
    const client = new Client(server.port, { token: jwt({ sub: 'x', exp: now() - 5 }), getToken: async () => jwt({ sub: 'x' }) });
    opened.push(client);
    const room = client.subscription(fresh('room:'));
    room.sdk.subscribe();
    client.sdk.connect();
    await room.until('subscribed');
    assert.equal(room.all('subscribed').length, 1);
    assert.equal(client.all('connected').length, 1);
  });

  test('limits: channels of a connection', async () => {
    const client = await anonymous();
    const rooms = [];
    for (let i = 0; i < 129; i++) rooms.push(await client.subscribe(fresh('plain')));
    assert.deepEqual(gone(rooms[128].last('unsubscribed')), [106, 'limit exceeded']);
    assert.ok(rooms.slice(0, 128).every((room) => room.sdk.state === 'subscribed'));
  });

  test('limits: the length of a channel name', async () => {
    const client = await enter();
    assert.equal((await client.subscribe('x'.repeat(255))).all('subscribed').length, 1);
    assert.equal((await client.subscribe('x'.repeat(256))).last('unsubscribed').code, 107);
  });

  test('subscription token: channel, user and info', async () => {
    const client = await enter('holder');
    const channel = fresh('secret:');
    const room = await client.subscribe(channel, { token: subscriptionToken({ sub: 'holder', channel, info: { seat: 7 } }) });
    assert.equal(room.all('subscribed').length, 1);
    const { presence } = await server.api('presence', { channel });
    assert.deepEqual(Object.values(presence)[0].chan_info, { seat: 7 });
  });

  test('subscription token: asked for through getToken', async () => {
    const client = await enter('holder');
    const asked = [];
    const getToken = async (context) => {
      asked.push(context.channel);
      return subscriptionToken({ sub: 'holder', channel: context.channel });
    };
    const channel = fresh('$secret:');
    const room = await client.subscribe(channel, { getToken });
    assert.equal(room.all('subscribed').length, 1);
    assert.deepEqual(asked, [channel]);
  });

  test('subscription token: a private channel needs one', async () => {
    const client = await enter();
    assert.equal((await client.subscribe(fresh('$room:'))).last('unsubscribed').code, 103);
  });

  test('subscription token: an expired one is replaced', async () => {
    const client = await enter('holder');
    const channel = fresh('secret:');
    let asked = 0;
    const room = await client.subscribe(channel, {
      token: subscriptionToken({ sub: 'holder', channel, exp: now() - 10 }),
      getToken: async () => {
        asked++;
        return subscriptionToken({ sub: 'holder', channel });
      },
    });
    assert.equal(room.all('subscribed').length, 1);
    assert.equal(asked, 1);
    assert.equal(room.last('error').error.code, 109);
  });

  test('subscription token: one with a wrong signature is refused', async () => {
    const client = await enter('holder');
    const channel = fresh('secret:');
    assert.equal((await client.subscribe(channel, { token: jwt({ sub: 'holder', channel }) })).last('unsubscribed').code, 103);
  });

  test('subscription token: one of another channel or user ends the connection, 3500', async () => {
    for (const claims of [{ sub: 'holder', channel: 'secret:other' }, { sub: 'thief' }]) {
      const client = await enter('holder');
      const channel = fresh('secret:');
      client.subscription(channel, { token: subscriptionToken({ channel, ...claims }) }).sdk.subscribe();
      assert.equal((await client.until('disconnected')).code, 3500);
    }
  });

  test('subscription token: refreshed before it runs out', async () => {
    const client = await enter('holder');
    let asked = 0;
    const channel = fresh('secret:');
    const getToken = async () => {
      asked++;
      return subscriptionToken({ sub: 'holder', channel, exp: now() + 2 });
    };
    const room = await client.subscribe(channel, { getToken });
    await sleep(5500);
    assert.ok(asked >= 3, `asked ${asked} times`);
    assert.equal(room.all('subscribed').length, 1);
    assert.equal(room.all('error').length, 0);
  });

  test('subscription expiry: 2501 when no new token comes, then a new subscription', async () => {
    const client = await enter('holder');
    const channel = fresh('secret:');
    let asked = 0;
    const getToken = () => {
      asked++;
      if (asked === 2) return new Promise(() => {});
      return Promise.resolve(subscriptionToken({ sub: 'holder', channel, exp: now() + (asked === 1 ? 2 : 600) }));
    };
    const room = await client.subscribe(channel, { getToken });
    await room.until('subscribed', 2);
    assert.deepEqual(gone(room.all('subscribing').at(-1)), [2501, 'subscription expired']);
    assert.equal(client.all('connected').length, 1);
  });
});
