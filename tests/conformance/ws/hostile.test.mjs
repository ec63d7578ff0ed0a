// Frames that no honest client sends. Each must end the connection with the right code and leave the server well.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ChatServer, Raw, frame, sleep } from '../server.mjs';

let server;
before(async () => {
  server = await ChatServer.start();
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

async function opened() {
  const raw = await Raw.connect(server.port);
  await raw.open();
  return raw;
}

const BAD = [
  ['unmasked text', frame(0x81, 'hello', { mask: false }), 1002],
  ['unmasked ping', frame(0x89, '', { mask: false }), 1002],
  ['reserved bit', frame(0xc1, '{}'), 1002],
  ['reserved opcode 3', frame(0x83, ''), 1002],
  ['reserved opcode 11', frame(0x8b, ''), 1002],
  ['fragmented ping', frame(0x09, 'x'), 1002],
  ['fragmented close', frame(0x08, ''), 1002],
  ['long ping', frame(0x89, 'x'.repeat(126)), 1002],
  ['long close', frame(0x88, Buffer.concat([Buffer.from([3, 232]), Buffer.alloc(124, 120)])), 1002],
  ['continuation of nothing', frame(0x80, 'x'), 1002],
  ['text inside a fragmented text', Buffer.concat([frame(0x01, 'a'), frame(0x81, 'b')]), 1002],
  ['length in a longer form', Buffer.from([0x81, 0xfe, 0, 5, 0, 0, 0, 0]), 1002],
  ['length with its highest bit', Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1002],
  ['oversized by its header alone', frame(0x81, '', { length: 0x7fffffff }), 1009],
  ['oversized in fragments', Buffer.concat([frame(0x01, 'x'.repeat(60000)), frame(0x80, 'y'.repeat(60000))]), 1009],
  ['bad UTF-8', frame(0x81, Buffer.from([0x61, 0xff])), 1007],
  ['bad UTF-8 before the frame ends', frame(0x81, Buffer.from([0xed, 0xa0]), { length: 100 }), 1007],
  ['cut UTF-8', frame(0x81, Buffer.from([0xe2, 0x82])), 1007],
  ['UTF-8 broken across fragments',
    Buffer.concat([frame(0x01, Buffer.from([0xf0, 0x9f])), frame(0x80, Buffer.from([0x41]))]), 1007],
  ['binary', frame(0x82, 'x'), 1003],
  ['close with half a code', frame(0x88, Buffer.from([3])), 1002],
  ['close reason is not UTF-8', frame(0x88, Buffer.from([3, 232, 0xff])), 1007],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535].map((code) => [
    `close with code ${code}`,
    frame(0x88, Buffer.from([code >> 8, code & 255])),
    1002,
  ]),
];

for (const [name, bytes, code] of BAD) {
  test(name, async () => {
    const raw = await opened();
    raw.send(bytes);
    assert.equal(await raw.closeCode(), code);
    raw.destroy();
  });
  test(`${name}, byte by byte`, { skip: bytes.length > 200 }, async () => {
    const raw = await opened();
    for (const byte of bytes) {
      raw.send(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    assert.equal(await raw.closeCode(), code);
    raw.destroy();
  });
}

for (const code of [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4999]) {
  test(`close with code ${code} is echoed`, async () => {
    const raw = await opened();
    raw.send(frame(0x88, Buffer.from([code >> 8, code & 255])));
    assert.equal(await raw.closeCode(), code);
    raw.destroy();
  });
}

test('close without a code is echoed without one', async () => {
  const raw = await opened();
  raw.send(frame(0x88));
  assert.equal(await raw.closeCode(), 1005);
  raw.destroy();
});

test('what follows a close is ignored', async () => {
  const raw = await opened();
  raw.send(Buffer.concat([frame(0x88, Buffer.from([3, 232])), frame(0x81, '{"id":1,"type":"ping"}'), frame(0xff, 'x')]));
  assert.equal(await raw.closeCode(), 1000);
  raw.destroy();
});

test('ping is answered, also between fragments, and with its payload', async () => {
  const raw = await opened();
  raw.send(Buffer.concat([frame(0x01, '{"id":'), frame(0x89, 'are you there'), frame(0x00, ''), frame(0x89)]));
  const first = await raw.frame();
  assert.equal(first.opcode, 10);
  assert.equal(first.payload.toString(), 'are you there');
  const second = await raw.frame();
  assert.equal(second.opcode, 10);
  assert.equal(second.payload.length, 0);
  raw.destroy();
});

test('a flood of pings by a client that does not read costs no memory', async () => {
  const raw = await opened();
  raw.socket.pause();
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(0x89, 'x'.repeat(125))));
  for (let i = 0; i < 50; i++) raw.send(pings);
  await sleep(300);
  raw.socket.resume();
  raw.send(frame(0x89, 'last'));
  for (;;) {
    const pong = await raw.frame();
    assert.equal(pong.opcode, 10);
    if (pong.payload.toString() === 'last') break;
  }
  raw.destroy();
});

test('the end of the connection in the middle of a frame', async () => {
  const raw = await opened();
  raw.send(frame(0x81, 'half', { length: 100 }));
  raw.socket.end();
  await raw.until(() => raw.ended);
  raw.destroy();
});

test('a reset in the middle of a message', async () => {
  for (let i = 0; i < 20; i++) {
    const raw = await opened();
    raw.send(frame(0x01, '{"id":1,"type":"conn'));
    raw.socket.resetAndDestroy();
  }
  const raw = await opened();
  raw.destroy();
});

test('a client that closes and never hangs up is cut off', { timeout: 15000 }, async () => {
  const raw = await opened();
  raw.send(frame(0x88, Buffer.from([3, 232])));
  assert.equal(await raw.closeCode(), 1000);
  await raw.until(() => raw.error ?? raw.socket.destroyed ?? false, 1, 'still open').catch(() => {});
  await sleep(4000);
  raw.send('x');
  await sleep(200);
  raw.send('x');
  await raw.until(() => raw.error, 5000, 'reset');
  raw.destroy();
});
