// The JavaScript SDK over HTTP-stream and SSE with the emulation of the way up, and falling back to them.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Centrifuge } from 'centrifuge';
import EventSource from 'eventsource';
import WebSocket from 'ws';
import { Client, Server, fresh, jwt, now, numbered, sleep } from './support.mjs';

let server;
let insecure;
const opened = [];

before(async () => {
  [server, insecure] = await Promise.all(['token', 'insecure'].map((name) => Server.start(name)));
});
after(async () => {
  for (const each of opened) each.close();
  for (const each of [server, insecure]) assert.equal(await each.stop(), 0);
});

async function enter(transport, options = {}) {
  const user = fresh('user');
  const client = new Client(server.port, { token: jwt({ sub: user }), ...options }, transport);
  opened.push(client);
  await client.connect();
  return Object.assign(client, { user });
}

describe('transports', { concurrency: 8 }, () => {
  for (const transport of ['http_stream', 'sse']) {
    test(`${transport}: subscribe, publish, presence, history, RPC, send, unsubscribe`, async () => {
      const client = await enter(transport);
      assert.equal(client.last('connected').transport, transport);
      const channel = fresh('room:');
      const room = await client.subscribe(channel);
      await room.sdk.publish({ text: 'Привет 🙂\n"' });
      assert.deepEqual((await room.until('publication')).data, { text: 'Привет 🙂\n"' });
      assert.equal((await room.sdk.presenceStats()).numClients, 1);
      assert.equal(Object.values((await room.sdk.presence()).clients)[0].user, client.user);
      assert.equal((await room.sdk.history({ limit: -1 })).publications.length, 1);
      assert.deepEqual((await client.sdk.rpc('echo', [1])).data, [1]);
      await assert.rejects(client.sdk.rpc('nothing', {}), { code: 104 });
      await client.sdk.send({ message: { hello: 1 } });
      assert.deepEqual((await client.until('message')).data, { hello: 1 });
      room.sdk.unsubscribe();
      await sleep(100);
      assert.equal((await server.api('presence_stats', { channel })).num_clients, 0);
    });

    test(`${transport}: 300 publications in order, and large ones`, async () => {
      const client = await enter(transport);
      const channel = fresh('room:');
      const room = await client.subscribe(channel);
      await server.publishMany(channel, 1, 300);
      const large = { text: 'ж'.repeat(100000) };
      await server.api('publish', { channel, data: large });
      await room.until('publication', 301);
      assert.deepEqual(room.data, [...numbered(1, 300), large]);
    });

    test(`${transport}: many subscriptions with the connect`, async () => {
      const client = new Client(server.port, { token: jwt({ sub: 'many' }) }, transport);
      opened.push(client);
      const rooms = numbered(1, 30).map(() => client.subscription(fresh('room:')));
      for (const room of rooms) room.sdk.subscribe();
      await client.connect();
      for (const room of rooms) await room.until('subscribed');
    });

    test(`${transport}: terminal and other disconnects`, async () => {
      const client = await enter(transport);
      await server.api('disconnect', { user: client.user, disconnect: { code: 4000, reason: 'come back' } });
      await client.until('connected', 2);
      assert.ok(client.all('connecting').some(({ code, reason }) => code === 4000 && reason === 'come back'));
      await server.api('disconnect', { user: client.user, disconnect: { code: 4500, reason: 'stay away' } });
      const { code, reason } = await client.until('disconnected');
      assert.deepEqual([code, reason], [4500, 'stay away']);
    });

    test(`${transport}: a token that is not valid, and one that expired`, async () => {
      const refused = new Client(server.port, { token: 'nonsense' }, transport);
      opened.push(refused);
      refused.sdk.connect();
      assert.equal((await refused.until('disconnected')).code, 3500);
      const token = jwt({ sub: 'x', exp: now() - 5 });
      const renewed = new Client(server.port, { token, getToken: async () => jwt({ sub: 'x' }) }, transport);
      opened.push(renewed);
      renewed.sdk.connect();
      await renewed.until('connected');
    });

    test(`${transport}: the token is refreshed`, async () => {
      const client = await enter(transport, { token: '', getToken: async () => jwt({ sub: 'x', exp: now() + 2 }) });
      await sleep(4500);
      assert.equal(client.all('connected').length, 1);
    });

    test(`${transport}: pings and pongs`, async () => {
      const client = new Client(insecure.port, {}, transport);
      opened.push(client);
      await client.connect();
      await sleep(3500);
      assert.equal(client.all('connected').length, 1);
      assert.equal(client.sdk.state, 'connected');
    });

    test(`${transport}: the end of the connection is seen by the others`, async () => {
      const channel = fresh('room:');
      const [one, two] = [await enter('websocket'), await enter(transport)];
      const room = await one.subscribe(channel);
      await two.subscribe(channel);
      await room.until('join', 2);
      two.close();
      assert.equal((await room.until('leave')).info.user, two.user);
    });
  }

  test('falling back to HTTP-stream where WebSocket does not get through', async () => {
    const proxy = http.createServer((request, response) => {
      const { method, url, headers } = request;
      const up = http.request({ port: server.port, host: '127.0.0.1', method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        response.flushHeaders();
        answer.pipe(response);
      });
      up.on('error', () => response.destroy());
      response.on('close', () => up.destroy());
      request.pipe(up);
    });
    proxy.on('upgrade', (request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n'));
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const host = `127.0.0.1:${proxy.address().port}`;
    const sdk = new Centrifuge(
      [
        { transport: 'websocket', endpoint: `ws://${host}/connection/websocket` },
        { transport: 'http_stream', endpoint: `http://${host}/connection/http_stream` },
        { transport: 'sse', endpoint: `http://${host}/connection/sse` },
      ],
      { websocket: WebSocket, eventsource: EventSource, emulationEndpoint: `http://${host}/emulation`, token: jwt({ sub: 'x' }) },
    );
    const connected = new Promise((resolve) => sdk.on('connected', resolve));
    sdk.connect();
    assert.equal((await connected).transport, 'http_stream');
    const sub = sdk.newSubscription(fresh('room:'));
    const got = new Promise((resolve) => sub.on('publication', resolve));
    sub.subscribe();
    await sub.ready(5000);
    await sub.publish({ fallen: 'back' });
    assert.deepEqual((await got).data, { fallen: 'back' });
    sdk.disconnect();
    proxy.closeAllConnections();
    proxy.close();
  });

  test('three transports in one room see the same', async () => {
    const clients = [await enter('websocket'), await enter('http_stream'), await enter('sse')];
    const channel = fresh('room:');
    const rooms = [];
    for (const client of clients) rooms.push(await client.subscribe(channel));
    for (const [i, room] of rooms.entries()) await room.sdk.publish({ i });
    for (const room of rooms) {
      await room.until('publication', 3);
      assert.deepEqual(room.data, numbered(0, 2));
    }
    await rooms[0].until('join', 3);
  });
});
