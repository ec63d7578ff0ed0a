"""The part of libstreamrelay that test_relay.py uses, through ctypes: no C compiler, no generated code."""

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

WriteFn = CFUNCTYPE(c_int64, c_void_p, POINTER(c_void_p), c_size_t, c_void_p)
CloseFn = CFUNCTYPE(None, c_void_p, c_uint32, POINTER(ctypes.c_char), c_size_t, c_void_p)
HookFn = CFUNCTYPE(None, c_void_p, c_void_p)
PublishFn = CFUNCTYPE(None, c_int, c_uint64, POINTER(ctypes.c_char), c_size_t, c_void_p)
PostFn = CFUNCTYPE(None, c_void_p, c_void_p)


class Transport(Structure):
    _fields_ = [("size", c_uint32), ("write", WriteFn), ("close", CloseFn)]


class Hooks(Structure):
    _fields_ = [("size", c_uint32), ("connect", HookFn), ("subscribe", HookFn), ("publish", HookFn)]


_TEXT = [c_void_p, POINTER(c_size_t)]
_SIGNATURES = {
    "srl_version": (c_char_p, []),
    "srl_error_name": (c_char_p, [c_int]),
    "srl_options_create": (c_int, [POINTER(c_void_p)]),
    "srl_options_destroy": (None, [c_void_p]),
    "srl_options_set": (c_int, [c_void_p, c_char_p, c_char_p]),
    "srl_options_last_error": (c_char_p, [c_void_p]),
    "srl_options_set_hooks": (c_int, [c_void_p, POINTER(Hooks), c_void_p]),
    "srl_hooks_init": (None, [POINTER(Hooks), c_size_t]),
    "srl_transport_init": (None, [POINTER(Transport), c_size_t]),
    "srl_relay_create": (c_int, [c_void_p, POINTER(c_void_p)]),
    "srl_relay_destroy": (None, [c_void_p]),
    "srl_relay_fd": (c_int, [c_void_p]),
    "srl_relay_process": (c_int, [c_void_p]),
    "srl_relay_post": (c_int, [c_void_p, PostFn, c_void_p]),
    "srl_relay_publish": (c_int, [c_void_p, c_char_p, c_size_t, c_char_p, c_size_t, PublishFn, c_void_p]),
    "srl_session_open": (c_int, [c_void_p, POINTER(Transport), c_int, c_void_p, POINTER(c_void_p)]),
    "srl_session_receive": (c_int, [c_void_p, c_char_p, c_size_t]),
    "srl_session_writable": (c_int, [c_void_p]),
    "srl_session_closed": (None, [c_void_p]),
    "srl_frame_data": (c_void_p, [c_void_p]),
    "srl_frame_len": (c_size_t, [c_void_p]),
    "srl_request_token": (c_void_p, _TEXT),
    "srl_request_set_user": (c_int, [c_void_p, c_char_p, c_size_t]),
    "srl_request_set_info": (c_int, [c_void_p, c_char_p, c_size_t]),
    "srl_request_accept": (c_int, [c_void_p]),
    "srl_request_reject": (c_int, [c_void_p, c_uint32, c_char_p, c_size_t]),
}


class Error(Exception):
    pass


class Library:
    """The functions by their names, without the prefix; a negative result is raised by check()."""

    def __init__(self, path):
        loaded = ctypes.CDLL(path)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name.removeprefix("srl_"), function)

    def check(self, result):
        if result < 0:
            raise Error(self.error_name(result).decode())
        return result

    def token(self, request):
        length = c_size_t()
        address = self.request_token(request, byref(length))
        return ctypes.string_at(address, length.value).decode()

    def frame(self, address):
        return ctypes.string_at(self.frame_data(address), self.frame_len(address)).decode()


class Relay:
    """A relay on an asyncio loop. `on_connect` is a coroutine: it gets the token and returns the user id, or None."""

    def __init__(self, library, loop, on_connect, options):
        self.library = library
        self.loop = loop
        self.on_connect = on_connect
        self.tasks = set()
        self.sessions = {}
        self._pending = {}
        self._transport = Transport()
        library.transport_init(byref(self._transport), ctypes.sizeof(Transport))
        self._transport.write = WriteFn(self._write)
        self._transport.close = CloseFn(self._close)
        self._hooks = Hooks()
        library.hooks_init(byref(self._hooks), ctypes.sizeof(Hooks))
        self._hooks.connect = HookFn(self._connect)
        self._published = PublishFn(self._publish_done)
        self.handle = self._create(options)
        self.fd = library.relay_fd(self.handle)
        loop.add_reader(self.fd, self._process)

    def _create(self, options):
        library, handle, relay = self.library, c_void_p(), c_void_p()
        library.check(library.options_create(byref(handle)))
        try:
            for name, value in options.items():
                library.check(library.options_set(handle, name.encode(), value.encode()))
            library.check(library.options_set_hooks(handle, byref(self._hooks), None))
            library.check(library.relay_create(handle, byref(relay)))
        finally:
            library.options_destroy(handle)
        return relay

    def _process(self):
        self.library.check(self.library.relay_process(self.handle))

    def _connect(self, request, _user):
        task = self.loop.create_task(self._answer(request, self.library.token(request)))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, request, token):
        user = await self.on_connect(token)
        if user is None:
            return self.library.request_reject(request, 101, None, 0)
        self.library.check(self.library.request_set_user(request, user.encode(), len(user.encode())))
        return self.library.request_accept(request)

    def _write(self, _session, frames, count, key):
        return self.sessions[key].write([self.library.frame(frames[i]) for i in range(count)])

    def _close(self, _session, code, reason, length, key):
        self.sessions[key].disconnected(code, ctypes.string_at(reason, length).decode())

    def publish(self, channel, data):
        future = self.loop.create_future()
        key = id(future)
        self._pending[key] = future
        channel, data = channel.encode(), data.encode()
        self.library.check(self.library.relay_publish(self.handle, channel, len(channel), data, len(data),
                                                      self._published, key))
        return future

    def _publish_done(self, error, offset, _epoch, _length, key):
        future = self._pending.pop(key)
        if error < 0:
            future.set_exception(Error(self.library.error_name(error).decode()))
        else:
            future.set_result(offset)

    def post(self, function):
        """From any thread."""
        holder = []

        def run(relay, _user):
            function(relay is not None)
            self.loop.call_soon(holder.clear)

        holder.append(PostFn(run))
        self.library.check(self.library.relay_post(self.handle, holder[0], None))
        return holder

    def destroy(self):
        self.loop.remove_reader(self.fd)
        self.library.relay_destroy(self.handle)


class Session:
    """One client; its transport is a list of the messages that it was sent."""

    def __init__(self, relay):
        self.relay = relay
        self.received = []
        self.room = None
        self.code = None
        self.reason = None
        self.changed = None
        self._key = len(relay.sessions) + 1
        relay.sessions[self._key] = self
        self.handle = c_void_p()
        relay.library.check(relay.library.session_open(relay.handle, byref(relay._transport), 0, self._key,
                                                       byref(self.handle)))

    def write(self, messages):
        taken = messages if self.room is None else messages[: self.room]
        self.received += taken
        if self.room is not None:
            self.room -= len(taken)
        self._wake()
        return len(taken)

    def disconnected(self, code, reason):
        self.code, self.reason = code, reason
        self._wake()

    def _wake(self):
        if self.changed is not None and not self.changed.done():
            self.changed.set_result(None)

    async def until(self, condition):
        while not condition():
            self.changed = self.relay.loop.create_future()
            await self.changed

    def send(self, text):
        data = text.encode()
        self.relay.library.check(self.relay.library.session_receive(self.handle, data, len(data)))

    def writable(self, room):
        self.room = room
        self.relay.library.check(self.relay.library.session_writable(self.handle))

    def closed(self):
        self.relay.library.session_closed(self.handle)
