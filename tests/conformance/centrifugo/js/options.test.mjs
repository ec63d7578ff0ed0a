// The example server's command line and configuration: what is wrong is named, what is right has its effect.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import WebSocket from 'ws';

const PROGRAM = process.env.SRL_CENTRIFUGO;
const folder = mkdtempSync(join(tmpdir(), 'srl-'));
after(() => rmSync(folder, { recursive: true }));

function file(content) {
  const path = join(folder, 'config.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** Runs it where it should end at once. */
function refused(...args) {
  const { status, stdout, stderr } = spawnSync(PROGRAM, args, { encoding: 'utf8', timeout: 10000 });
  return { status, stdout, stderr };
}

/** Runs it, and gives its port to `use`. */
async function running(args, use) {
  const server = spawn(PROGRAM, ['--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => server.on('exit', resolve));
  const port = await new Promise((resolve, reject) => {
    server.on('exit', () => reject(new Error('it ended')));
    server.stdout.on('data', (chunk) => resolve(Number(/:(\d+) /.exec(`${chunk}`)[1])));
  });
  try {
    await use(port);
  } finally {
    server.kill('SIGTERM');
    assert.equal(await exited, 0);
  }
}

/** The first answer to connect: a reply, or the code that the connection was closed with. */
function connect(port, params = {}, headers = {}) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/connection/websocket`, { headers });
    socket.on('open', () => socket.send(JSON.stringify({ id: 1, connect: params })));
    socket.on('message', (data) => {
      resolve(JSON.parse(data));
      socket.close();
    });
    socket.on('close', (code) => resolve(code));
    socket.on('error', () => resolve('refused'));
  });
}

const SPACE = (options) => ({ client: { insecure: true }, channel: { namespaces: [{ name: 'room', ...options }] } });

const WRONG = [
  ['nothing at all', [], /nobody could connect/],
  ['an unknown option', ['--nothing'], /unknown option --nothing/],
  ['an option without its value', ['--port'], /missing behind --port/],
  ['no port', ['--port', '70000'], /not a port: 70000/],
  ['no port either', ['--port', '1x'], /not a port: 1x/],
  ['an unknown setting', ['--insecure', '--set', 'nothing=1'], /nothing/],
  ['a setting without a value', ['--insecure', '--set', 'nothing'], /NAME=VALUE/],
  ['a time that is none', ['--insecure', '--ping', 'soon'], /soon/],
  ['a file that is not there', ['--config', join(folder, 'nothing')], /nothing: cannot be read/],
];
for (const [name, args, message] of WRONG) {
  test(`refused: ${name}`, () => {
    const { status, stdout, stderr } = refused(...args);
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  });
}

const WRONG_FILES = [
  ['no JSON', '{"client":', /no JSON from byte 10 on/],
  ['no object', '[]', /must be an object/],
  ['a slip in an option', SPACE({ histroy_size: 1 }), /channel\.namespaces\[0\]\.histroy_size: is not known here/],
  ['a slip without namespace', { channel: { without_namespace: { presense: true } } }, /channel\.without_namespace\.presense/],
  ['a slip for clients', { client: { insecur: true } }, /client\.insecur:/],
  ['a slip in a token', { client: { token: { hmac: 'x' } } }, /client\.token\.hmac:/],
  ['a slip in the API', { http_api: { api_key: 'x' } }, /http_api\.api_key:/],
  ['a switch that is none', SPACE({ presence: 1 }), /presence: must be true or false/],
  ['a number that is none', SPACE({ history_size: '10' }), /history_size: must be a number/],
  ['a number out of range', SPACE({ history_size: 1e7 }), /history_size/],
  ['a duration without unit', SPACE({ history_ttl: '10' }), /history_ttl: must be a duration/],
  ['a duration with another unit', SPACE({ history_ttl: '10y' }), /history_ttl: must be a duration/],
  ['an empty duration', SPACE({ history_ttl: '' }), /history_ttl: must be a duration/],
  ['an unknown mode', SPACE({ force_recovery_mode: 'all' }), /force_recovery_mode/],
  ['maps', SPACE({ subscription_type: 'map' }), /subscription_type: only stream/],
  ['binary data', SPACE({ publication_data_format: 'binary' }), /publication_data_format: only json/],
  ['delta types that are no list', SPACE({ allowed_delta_types: 'fossil' }), /allowed_delta_types: must be a list/],
  ['a short name', SPACE({ name: 'r' }), /channel\.namespaces\[0\]\.name/],
  ['a name with other letters', SPACE({ name: 'r:om' }), /channel\.namespaces\[0\]\.name/],
  ['a name twice', { channel: { namespaces: [{ name: 'room' }, { name: 'room' }] } }, /namespaces\[1\]\.name: is there twice/],
  ['namespaces that are no list', { channel: { namespaces: {} } }, /channel\.namespaces: must be a list/],
  ['a namespace that is no object', { channel: { namespaces: [1] } }, /channel\.namespaces\[0\]/],
  ['a secret that is no text', { client: { token: { hmac_secret_key: 1 } } }, /hmac_secret_key: must be a string/],
  ['a secret that is too long', { client: { token: { hmac_secret_key: 'x'.repeat(600) } } }, /hmac_secret_key: is too long/],
  ['origins that are no texts', { client: { allowed_origins: [1] } }, /allowed_origins/],
];
for (const [name, content, message] of WRONG_FILES) {
  test(`refused: ${name} in the file`, () => {
    const { status, stderr } = refused('--config', file(content), '--insecure');
    assert.equal(status, 2);
    assert.match(stderr, message);
    assert.match(stderr, /config\.json/);
  });
}

test('refused: settings that contradict each other', () => {
  const { status, stderr } = refused('--insecure', '--ping', '1s');
  assert.equal(status, 1);
  assert.match(stderr, /pong_timeout/);
});

test('help', () => {
  const { status, stdout } = refused('--help');
  assert.equal(status, 0);
  assert.match(stdout, /--jwt-secret/);
});

test('sections of others are left out with a warning', async () => {
  const path = file({ admin: { enabled: true }, client: { insecure: true } });
  assert.match(refused('--config', path, '--port', 'x').stderr, /admin: is left out/);
  await running(['--config', path], async (port) => assert.ok((await connect(port)).connect));
});

test('a port that is taken', async () => {
  await running(['--insecure'], async (port) => {
    const { status, stderr } = refused('--insecure', '--port', String(port));
    assert.equal(status, 1);
    assert.match(stderr, /cannot listen on localhost port/);
  });
});

test('--insecure takes whoever comes, also with a token that nobody can check', async () => {
  await running(['--insecure'], async (port) => {
    assert.ok((await connect(port)).connect);
    assert.ok((await connect(port, { token: 'x' })).connect);
    assert.equal((await fetch(`http://127.0.0.1:${port}/api/info`, { method: 'POST' })).status, 405);
  });
});

test('--jwt-secret wants tokens, --anonymous does not', async () => {
  await running(['--jwt-secret', 's'], async (port) => {
    assert.equal(await connect(port), 3501);
    assert.equal(await connect(port, { token: 'x' }), 3500);
  });
  await running(['--jwt-secret', 's', '--anonymous'], async (port) => {
    assert.ok((await connect(port)).connect);
    assert.equal(await connect(port, { token: 'x' }), 3500);
  });
});

test('--ping, --set and --allowed-origins', async () => {
  const args = ['--insecure', '--ping', '31s', '--set', 'max_sessions=1', '--allowed-origins', 'http://a.example,http://b.example'];
  await running(args, async (port) => {
    assert.equal((await connect(port)).connect.ping, 31);
    assert.equal(await connect(port, {}, { Origin: 'http://c.example' }), 'refused');
    assert.ok((await connect(port, {}, { Origin: 'http://b.example' })).connect);
  });
});

test('later options replace what a file said', async () => {
  const path = file({ client: { insecure: true, ping_interval: '32s' } });
  await running(['--config', path], async (port) => assert.equal((await connect(port)).connect.ping, 32));
  await running(['--config', path, '--ping', '33s'], async (port) => assert.equal((await connect(port)).connect.ping, 33));
});
