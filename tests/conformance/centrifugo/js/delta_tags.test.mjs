// The JavaScript SDK: fossil deltas, tags filters, channel compaction.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, Server, Wire, fresh, jwt, numbered, sleep } from './support.mjs';

let server;
const opened = [];
const REFERENCE_SPLITS_CHARACTERS = process.env.SRL_REFERENCE && 'patches of the reference may split characters';

before(async () => {
  server = await Server.start('token');
});
after(async () => {
  for (const each of opened) each.close();
  assert.equal(await server.stop(), 0);
});

async function wired(transport = 'websocket') {
  const wire = await Wire.to(server.port);
  const client = new Client(wire.port, { token: jwt({ sub: fresh('user') }) }, transport);
  opened.push(client, wire);
  await client.connect();
  return Object.assign(client, { wire });
}

/** The same numbers in every run: a small linear congruential generator. */
function dice(seed) {
  let state = BigInt(seed);
  return (n) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 33n) % BigInt(n));
  };
}

const ALPHABETS = {
  ASCII: 'abcdefghijklmnopqrstuvwxyz ,."\\0123456789',
  Cyrillic: 'абвгдежзийклмнопрстуфхцчшщъыьэюяАБВ ,.',
  emoji: ['🙂', '🚀', '👩‍👩‍👧', '🏳️‍🌈', 'é', 'a', ' ', '漢', '\u{10ffff}', '🙃', '🙁'],
};

/** A document of several kilobytes that is edited `count` times in one to four places; gives all its versions. */
function versions(alphabet, seed, count, length = 3000) {
  const roll = dice(seed);
  const letters = [...alphabet];
  const letter = () => letters[roll(letters.length)];
  const text = Array.from({ length }, letter);
  const document = { title: 'doc', rows: Array.from({ length: 20 }, (_, i) => ({ id: i, value: roll(1000) })) };
  const all = [];
  for (let i = 0; i < count; i++) {
    for (let edits = 1 + roll(4); edits > 0; edits--) {
      const at = roll(text.length);
      const kind = roll(4);
      if (kind === 0) text.splice(at, 1 + roll(5));
      else if (kind === 1) text.splice(at, 0, letter(), letter());
      else if (kind === 2) text[at] = letter();
      else text.splice(roll(text.length), 0, ...text.splice(at, 1 + roll(200)));
      if (text.length < length / 2) text.push(...Array.from({ length }, letter));
    }
    document.rows[roll(20)].value = roll(1000);
    all.push(JSON.parse(JSON.stringify({ ...document, version: i, text: text.join('') })));
  }
  return all;
}

const follow = (channel, all) => server.publishMany(channel, 1, all.length, (i) => all[i - 1]);

function rawDeltas(client, channel) {
  const lines = client.received.flatMap((frame) => frame.split('\n')).filter(Boolean).map((line) => JSON.parse(line));
  return lines.filter((line) => line.push?.pub && line.push.channel === channel).map((line) => line.push.pub);
}

describe('delta and tags', { concurrency: 4 }, () => {
  for (const [name, alphabet] of Object.entries(ALPHABETS))
    test(`delta: a document in ${name} edited 200 times`, { skip: name !== 'ASCII' && REFERENCE_SPLITS_CHARACTERS }, async () => {
      const client = await wired();
      const channel = fresh('delta:');
      const room = await client.subscribe(channel, { delta: 'fossil' });
      const all = versions(alphabet, 7, 200);
      await follow(channel, all);
      await room.until('publication', all.length);
      assert.deepEqual(room.data, all);
      const pushed = rawDeltas(client, channel);
      assert.equal(pushed.length, all.length);
      assert.ok(!pushed[0].delta);
      assert.ok(pushed.slice(1).every((each) => each.delta), 'every one but the first is a patch');
      const { compressionRatio } = room.sdk.deltaStats();
      assert.ok(compressionRatio > 0.7, `ratio ${compressionRatio}`);
      assert.equal(client.all('disconnected').length, 0);
    });

  test('delta: one letter of a Russian text changed, at every place', { skip: REFERENCE_SPLITS_CHARACTERS }, async () => {
    const client = await wired();
    const channel = fresh('delta:');
    const room = await client.subscribe(channel, { delta: 'fossil' });
    const text = [...'Съешь же ещё этих мягких французских булок, да выпей чаю. '.repeat(3)];
    const all = text.map((_, i) => ({ text: text.map((old, at) => (at === i ? 'ѣ' : old)).join('') }));
    await follow(channel, all);
    await room.until('publication', all.length);
    assert.deepEqual(room.data, all);
  });

  test('delta: documents that have nothing in common come whole', async () => {
    const client = await wired();
    const channel = fresh('delta:');
    const room = await client.subscribe(channel, { delta: 'fossil' });
    const roll = dice(3);
    const all = numbered(1, 20).map(({ i }) => ({ i, noise: Array.from({ length: 300 }, () => roll(36).toString(36)).join('') }));
    all.push([], 'x', 0, null, { a: 1 }, { a: 1 });
    await follow(channel, all);
    await room.until('publication', all.length);
    assert.deepEqual(room.data, all);
    const longer = rawDeltas(client, channel).filter((pub, i) => pub.delta && pub.data.length > JSON.stringify(all[i]).length);
    assert.deepEqual(longer, [], 'a patch longer than the text');
  });

  for (const transport of ['websocket', 'http_stream'])
    test(`delta: through lost connections, with and without something missed, ${transport}`, async () => {
      const client = await wired(transport);
      const channel = fresh('delta:');
      const room = await client.subscribe(channel, { delta: 'fossil' });
      const all = versions(ALPHABETS.ASCII, 11, 60);
      let next = 0;
      const publish = async (count) => {
        for (; count > 0; count--) await server.api('publish', { channel, data: all[next++] });
      };
      for (const missed of [0, 1, 7, 0, 0, 20]) {
        await publish(4);
        await room.until('publication', next);
        const times = room.all('subscribed').length;
        client.wire.cut();
        await client.when(() => client.sdk.state === 'connecting');
        await publish(missed);
        client.wire.mend();
        const { wasRecovering, recovered } = await room.until('subscribed', times + 1);
        assert.deepEqual([wasRecovering, recovered], [true, true]);
      }
      await publish(all.length - next);
      await room.until('publication', all.length);
      assert.deepEqual(room.data, all);
    });

  test('delta: a room where it is not allowed, and clients without it in a room with it', async () => {
    const [one, two, three] = [await wired(), await wired(), await wired()];
    const plain = fresh('room:');
    const refused = await one.subscribe(plain, { delta: 'fossil' });
    const channel = fresh('delta:');
    const [patched, whole] = [await two.subscribe(channel, { delta: 'fossil' }), await three.subscribe(channel)];
    const all = versions(ALPHABETS.ASCII, 5, 10);
    await follow(plain, all);
    await follow(channel, all);
    for (const room of [refused, patched, whole]) {
      await room.until('publication', all.length);
      assert.deepEqual(room.data, all);
    }
    assert.deepEqual(rawDeltas(three, channel)[3].data, all[3]);
  });

  test('delta: published by clients', async () => {
    const client = await wired();
    const room = await client.subscribe(fresh('delta:'), { delta: 'fossil' });
    const all = versions(ALPHABETS.ASCII, 6, 30);
    for (const version of all) await room.sdk.publish(version);
    await room.until('publication', all.length);
    assert.deepEqual(room.data, all);
  });

  const cases = [
    ['eq', { key: 'kind', cmp: 'eq', val: 'a' }, [1, 3]],
    ['neq', { key: 'kind', cmp: 'neq', val: 'a' }, [2, 4, 5]],
    ['in', { key: 'kind', cmp: 'in', vals: ['b', 'c'] }, [2, 4]],
    ['nin', { key: 'kind', cmp: 'nin', vals: ['b', 'c'] }, [1, 3, 5]],
    ['ex', { key: 'price', cmp: 'ex' }, [1, 2, 3]],
    ['nex', { key: 'price', cmp: 'nex' }, [4, 5]],
    ['sw', { key: 'name', cmp: 'sw', val: 'al' }, [1, 2]],
    ['ew', { key: 'name', cmp: 'ew', val: 'ха' }, [3]],
    ['ct', { key: 'name', cmp: 'ct', val: 'ph' }, [1]],
    ['gt', { key: 'price', cmp: 'gt', val: '9' }, [2, 3]],
    ['gte', { key: 'price', cmp: 'gte', val: '9' }, [1, 2, 3]],
    ['lt', { key: 'price', cmp: 'lt', val: '10.5' }, [1]],
    ['lte', { key: 'price', cmp: 'lte', val: '10.5' }, [1, 2]],
    ['and', { op: 'and', nodes: [{ key: 'kind', cmp: 'eq', val: 'a' }, { key: 'price', cmp: 'gt', val: '50' }] }, [3]],
    ['or', { op: 'or', nodes: [{ key: 'kind', cmp: 'eq', val: 'c' }, { key: 'price', cmp: 'gt', val: '50' }] }, [3, 4]],
    ['not', { op: 'not', nodes: [{ key: 'kind', cmp: 'ex' }] }, [5]],
  ];
  const tagged = [
    { kind: 'a', price: '9', name: 'alpha' },
    { kind: 'b', price: '10.5', name: 'alp' },
    { kind: 'a', price: '100', name: 'уха' },
    { kind: 'c', name: '' },
    undefined,
  ];
  for (const [name, tagsFilter, expected] of cases)
    test(`tags filter: ${name}`, async () => {
      const client = await wired();
      const channel = fresh('tags:');
      const room = await client.subscribe(channel, { tagsFilter });
      for (const [i, tags] of tagged.entries()) await server.api('publish', { channel, data: i + 1, tags });
      await room.until('publication', expected.length);
      await sleep(50);
      assert.deepEqual(room.data, expected);
    });

  test('tags filter: what is filtered does not break the position; it holds in recovery too', async () => {
    const client = await wired();
    const channel = fresh('tags:');
    const room = await client.subscribe(channel, { tagsFilter: { key: 'even', cmp: 'eq', val: 'yes' } });
    const publish = async (from, to) => {
      for (let i = from; i <= to; i++) await server.api('publish', { channel, data: i, tags: { even: i % 2 ? 'no' : 'yes' } });
    };
    await publish(1, 20);
    await room.until('publication', 10);
    client.wire.cut();
    await client.when(() => client.sdk.state === 'connecting');
    await publish(21, 41);
    client.wire.mend();
    const { wasRecovering, recovered } = await room.until('subscribed', 2);
    assert.deepEqual([wasRecovering, recovered], [true, true]);
    await publish(42, 51);
    await room.until('publication', 25);
    assert.deepEqual(room.data, numbered(1, 25).map(({ i }) => 2 * i));
  });

  test('tags filter: one that is malformed is refused with 107', async () => {
    const client = await wired();
    for (const tagsFilter of [
      { op: 'xor', nodes: [] },
      { key: 'a', cmp: 'like', val: 'x' },
      { op: 'not', nodes: [{ key: 'a', cmp: 'ex' }, { key: 'b', cmp: 'ex' }] },
      { key: '', cmp: 'eq', val: 'x' },
      { op: 'and', nodes: [] },
    ]) {
      const room = await client.subscribe(fresh('tags:'), { tagsFilter });
      assert.equal(room.last('unsubscribed')?.code, 107, JSON.stringify(tagsFilter));
    }
  });

  test('tags filter: where it is not allowed', async () => {
    const client = await wired();
    const room = await client.subscribe(fresh('room:'), { tagsFilter: { key: 'a', cmp: 'ex' } });
    assert.equal(room.last('unsubscribed')?.code, 107);
  });

  test('channel compaction: numbers in place of names', async () => {
    const [one, two] = [await wired(), await wired()];
    const names = [fresh('compact:'), fresh('compact:')];
    const rooms = [await one.subscribe(names[0]), await one.subscribe(names[1])];
    await rooms[1].until('join');
    await (await two.subscribe(names[1])).until('join');
    for (const [i, name] of names.entries()) await two.sdk.publish(name, i);
    for (const [i, room] of rooms.entries()) {
      await room.until('publication');
      assert.deepEqual(room.data, [i]);
    }
    await rooms[1].until('join', 2);
    two.close();
    await rooms[1].until('leave');
    assert.ok(one.received.some((frame) => /"push":\{"id":\d+,"pub"/.test(frame)), 'no push with a number');
    assert.ok(!one.received.some((frame) => /"push":\{"channel":"[^"]*","(?:id":\d+,")?pub"/.test(frame)), 'a push with a name');
    one.wire.cut();
    await one.when(() => one.sdk.state === 'connecting');
    await server.publishMany(names[0], 1, 2);
    one.wire.mend();
    await rooms[0].until('publication', 3);
    await server.publishMany(names[0], 3, 3);
    await rooms[0].until('publication', 4);
    assert.deepEqual(rooms[0].data, [0, ...numbered(1, 3)]);
  });
});
