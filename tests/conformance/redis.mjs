// A Redis of a test's own, on a socket in a folder that goes with it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Redis {
  static async start() {
    const redis = new Redis();
    redis.folder = await mkdtemp(join(tmpdir(), 'srl-redis-'));
    redis.url = `unix://${redis.folder}/socket`;
    await redis.begin();
    return redis;
  }

  async begin() {
    this.process = spawn(
      process.env.SRL_REDIS_SERVER || 'redis-server',
      ['--port', '0', '--unixsocket', `${this.folder}/socket`, '--dir', this.folder, '--appendonly', 'yes', '--appendfsync', 'always'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.exited = once(this.process, 'exit');
    await new Promise((resolve, reject) => {
      this.process.on('error', reject);
      this.process.on('exit', () => reject(new Error('redis-server ended')));
      this.process.stdout.on('data', (chunk) => `${chunk}`.includes('eady to accept connections') && resolve());
    });
  }

  /** Dies at once; begin() has it come back with all it had. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.exited;
  }

  async stop() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
