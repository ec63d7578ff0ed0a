// A client of the native protocol for tests, over any WebSocket class.
export class NativeClient {
  constructor(socket) {
    this.socket = socket;
    this.lastId = 0;
    this.waiting = new Map();
    this.pushes = [];
    this.listeners = [];
    socket.onmessage = (event) => this.receive(String(event.data));
    this.closed = new Promise((resolve) => {
      socket.onclose = (event) => resolve({ code: event.code, reason: event.reason });
    });
  }

  static async connect(WebSocket, url, token, data = {}) {
    const socket = new WebSocket(url);
    const client = new NativeClient(socket);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = (event) => reject(event.error ?? new Error(event.message));
    });
    client.hello = await client.command('connect', undefined, { token, ...data });
    return client;
  }

  receive(text) {
    const message = JSON.parse(text);
    if (message.reply) {
      const { resolve, reject } = this.waiting.get(message.reply.id);
      this.waiting.delete(message.reply.id);
      if (message.reply.error) reject(Object.assign(new Error(message.reply.error.message), message.reply.error));
      else resolve(message.reply.data ?? {});
      return;
    }
    this.pushes.push(message.push);
    for (const listener of this.listeners) listener(message.push);
  }

  command(type, channel, data) {
    const id = ++this.lastId;
    this.socket.send(JSON.stringify({ id, type, channel, data }));
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  /** Resolves to the first push, past or future, that fits. */
  until(fits, timeout = 5000) {
    const already = this.pushes.find(fits);
    if (already) return Promise.resolve(already);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no such push')), timeout);
      this.listeners.push((push) => {
        if (!fits(push)) return;
        clearTimeout(timer);
        resolve(push);
      });
    });
  }

  close() {
    this.socket.close();
    return this.closed;
  }
}
