// The HTTP side: pages, limits, hostile requests, the opening handshake.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ChatServer, Raw, sleep } from '../server.mjs';

let server;
before(async () => {
  server = await ChatServer.start();
});
after(async () => {
  assert.equal(await server.stop('SIGINT'), 0);
});

async function status(request) {
  const raw = await Raw.connect(server.port);
  const head = await raw.request(request);
  raw.destroy();
  return Number(head.split(' ')[1]);
}

const OPEN = {
  Host: 'localhost',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

function opening(changes = {}, method = 'GET') {
  const lines = Object.entries({ ...OPEN, ...changes }).filter(([, value]) => value !== null);
  return `${method} /ws HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

test('the page', async () => {
  const response = await fetch(server.url);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^text\/html/);
  assert.match(response.headers.get('content-security-policy'), /default-src 'self'/);
  assert.ok(Math.abs(new Date(response.headers.get('date')) - Date.now()) < 5000);
  assert.match(await response.text(), /<!doctype html>/i);
  const again = await fetch(`${server.url}?query=is&ignored`);
  assert.equal(again.status, 200);
});

test('HEAD has the length and no body', async () => {
  const raw = await Raw.connect(server.port);
  const head = await raw.request('HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 200 /);
  assert.match(head, /Content-Length: [1-9]/);
  await raw.until(() => raw.ended);
  assert.equal(raw.received.length, 0);
});

test('several requests on one connection, also pipelined', async () => {
  const raw = await Raw.connect(server.port);
  raw.send('HEAD / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n\r\nHEAD / HTTP/1.0\r\n\r\n');
  assert.match(await raw.head(), /^HTTP\/1\.1 200 [\s\S]*Connection: keep-alive/);
  const missing = await raw.head();
  assert.match(missing, /^HTTP\/1\.1 404 /);
  raw.received = raw.received.subarray(Number(/Content-Length: (\d+)/.exec(missing)[1]));
  assert.match(await raw.head(), /^HTTP\/1\.1 200 [\s\S]*Connection: close/);
  await raw.until(() => raw.ended);
});

const REQUESTS = [
  ['an unknown path', 'GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', 404],
  ['a path with dots', 'GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', 404],
  ['a coded path', 'GET /%2e%2e/chat.js HTTP/1.1\r\nHost: x\r\n\r\n', 404],
  ['another method', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n', 405],
  ['a body', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello', 200],
  ['a body that is too long', 'POST /emulation HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\nhello', 413],
  ['a chunked body', 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411],
  ['two lengths', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n', 400],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400],
  ['HTTP/2 in words', 'GET / HTTP/2.0\r\nHost: x\r\n\r\n', 505],
  ['no version', 'GET /\r\nHost: x\r\n\r\n', 400],
  ['an absolute target', 'GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['a blank before the colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400],
  ['a folded line', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', 400],
  ['a control character', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n', 400],
  ['a bare line feed', 'GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n', 400],
  ['65 headers', `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(64)}\r\n`, 431],
  ['a head that is too long', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(17000)}`, 431],
  ['a target that is too long', `GET /${'a'.repeat(17000)}`, 414],
  ['garbage', '\x16\x03\x01\r\n\r\n', 400],
  ['a WebSocket without its headers', 'GET /ws HTTP/1.1\r\nHost: x\r\n\r\n', 426],
  ['a WebSocket by POST', opening({}, 'POST'), 405],
  ['another WebSocket version', opening({ 'Sec-WebSocket-Version': '8' }), 426],
  ['a short key', opening({ 'Sec-WebSocket-Key': 'abc' }), 400],
  ['another origin', opening({ Origin: 'http://evil.example' }), 403],
  ['a sandboxed origin', opening({ Origin: 'null' }), 403],
  ['the own origin', opening({ Origin: 'http://localhost' }), 101],
  ['no origin', opening(), 101],
  ['an empty subprotocol', opening({ 'Sec-WebSocket-Protocol': '' }), 101],
  ['other letters', opening({ Upgrade: 'WebSocket', Connection: 'keep-alive, UPGRADE' }), 101],
];

for (const [name, request, expected] of REQUESTS) {
  test(name, async () => {
    assert.equal(await status(request), expected);
  });
}

test('the answer to the key, and no subprotocol nor extension', async () => {
  const raw = await Raw.connect(server.port);
  const head = await raw.request(
    opening({ 'Sec-WebSocket-Protocol': '', 'Sec-WebSocket-Extensions': 'permessage-deflate' }),
  );
  assert.match(head, /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
  assert.doesNotMatch(head, /Sec-WebSocket-(Protocol|Extensions)/i);
  raw.destroy();
});

test('an allowed origin', async () => {
  const other = await ChatServer.start('--origin', 'http://app.example');
  const raw = await Raw.connect(other.port);
  assert.match(await raw.request(opening({ Origin: 'http://app.example' })), /^HTTP\/1\.1 101 /);
  raw.destroy();
  const refused = await Raw.connect(other.port);
  assert.match(await refused.request(opening({ Origin: 'http://app.example.org' })), /^HTTP\/1\.1 403 /);
  assert.equal(await other.stop(), 0);
});

test("the script of Centrifugo's SDK, if it was given", async () => {
  assert.equal((await fetch(`${server.url}centrifuge.js`)).status, 404);
  const file = fileURLToPath(import.meta.url);
  const other = await ChatServer.start('--sdk', file);
  const response = await fetch(`${other.url}centrifuge.js`);
  assert.match(response.headers.get('content-type'), /^text\/javascript/);
  assert.equal(await response.text(), readFileSync(file, 'utf8'));
  assert.equal(await other.stop(), 0);
});

test('a request that never ends is cut off', { timeout: 30000 }, async () => {
  const raws = await Promise.all(Array.from({ length: 20 }, () => Raw.connect(server.port)));
  for (const raw of raws) raw.send('GET / HTTP/1.1\r\nHost: x\r\n');
  const drip = setInterval(() => raws.forEach((raw) => !raw.ended && raw.send('A: b\r\n')), 500);
  const heads = await Promise.all(raws.map((raw) => raw.until(() => raw.ended && raw.received.toString(), 20000)));
  clearInterval(drip);
  for (const head of heads) assert.match(head, /^HTTP\/1\.1 408 /);
  raws.forEach((raw) => raw.destroy());
});

test('it goes on serving with all descriptors in use', { timeout: 30000 }, async () => {
  const { execFileSync } = await import('node:child_process');
  let limited = true;
  try {
    execFileSync('prlimit', ['--version']);
  } catch {
    limited = false;
  }
  if (!limited) return;
  const small = await ChatServer.start();
  execFileSync('prlimit', ['--pid', String(small.process.pid), '--nofile=40:40']);
  const raws = await Promise.all(Array.from({ length: 60 }, () => Raw.connect(small.port)));
  await sleep(200);
  const cpu = () => Number(execFileSync('ps', ['-o', 'cputimes=', '-p', String(small.process.pid)]).toString());
  const before = cpu();
  await sleep(2000);
  assert.ok(cpu() - before <= 1, 'it spins');
  raws.forEach((raw) => raw.destroy());
  await sleep(1000);
  const response = await fetch(small.url);
  assert.equal(response.status, 200);
  assert.equal(await small.stop(), 0);
});
