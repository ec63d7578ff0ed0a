package centrifugo

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

const (
	secret             = "test-secret"
	subscriptionSecret = "test-subscription-secret"
	apiKey             = "test-api-key"
	patience           = 10 * time.Second
)

type object = map[string]any

var names atomic.Int64

// fresh gives a name that no other test uses.
func fresh(prefix string) string {
	return fmt.Sprintf("%sgo%d_%x_%d", prefix, os.Getpid(), time.Now().UnixNano(), names.Add(1))
}

func in(seconds int64) int64 { return time.Now().Unix() + seconds }

// server is a process of the program that SRL_CENTRIFUGO names.
type server struct {
	process *exec.Cmd
	address string
}

var token, insecure *server

func TestMain(m *testing.M) {
	var err error
	for name, target := range map[string]**server{"token": &token, "insecure": &insecure} {
		if *target, err = start(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	for _, each := range []*server{token, insecure} {
		if err := each.stop(); err != nil {
			fmt.Fprintln(os.Stderr, "the server ended badly:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func start(config string) (*server, error) {
	path, err := filepath.Abs(filepath.Join("..", "config", config+".json"))
	if err != nil {
		return nil, err
	}
	s := &server{process: exec.Command(os.Getenv("SRL_CENTRIFUGO"), "--port", "0", "--config", path)}
	s.process.Stderr = os.Stderr
	out, err := s.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err = s.process.Start(); err != nil {
		return nil, fmt.Errorf("SRL_CENTRIFUGO must name the server program: %w", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if match := regexp.MustCompile(`http://([^:/]+:\d+)`).FindStringSubmatch(lines.Text()); match != nil {
			s.address = match[1]
			go io.Copy(io.Discard, out)
			return s, nil
		}
	}
	return nil, errors.New("the server ended")
}

func (s *server) stop() error {
	s.process.Process.Signal(syscall.SIGTERM)
	return s.process.Wait()
}

func (s *server) api(t *testing.T, method string, body object) object {
	t.Helper()
	text, _ := json.Marshal(body)
	request, _ := http.NewRequest("POST", "http://"+s.address+"/api/"+method, bytes.NewReader(text))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-API-Key", apiKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Result object
		Error  object
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(method, response.Status, err)
	}
	if answer.Error != nil {
		t.Fatal(method, answer.Error)
	}
	return answer.Result
}

func (s *server) publish(t *testing.T, channel string, data any) {
	t.Helper()
	s.api(t, "publish", object{"channel": channel, "data": data})
}

func (s *server) publishMany(t *testing.T, channel string, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		s.publish(t, channel, object{"i": i})
	}
}

func segment(value any) string {
	text, _ := json.Marshal(value)
	return base64.RawURLEncoding.EncodeToString(text)
}

func signed(key string, bits int, claims object) string {
	algorithms := map[int]func() hash.Hash{256: sha256.New, 384: sha512.New384, 512: sha512.New}
	head := segment(object{"alg": fmt.Sprintf("HS%d", bits), "typ": "JWT"}) + "." + segment(claims)
	mac := hmac.New(algorithms[bits], []byte(key))
	mac.Write([]byte(head))
	return head + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func jwt(claims object) string { return signed(secret, 256, claims) }

func subscriptionToken(claims object) string { return signed(subscriptionSecret, 256, claims) }

// wire is a TCP relay before a server that can be cut, mended and pointed to another server.
type wire struct {
	mu       sync.Mutex
	listener net.Listener
	target   string
	broken   bool
	conns    map[net.Conn]bool
	gate     sync.RWMutex // held while nothing of the server gets through
}

func newWire(t *testing.T, target string) *wire {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: listener, target: target, conns: map[net.Conn]bool{}}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			go w.join(near)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		w.cut()
	})
	return w
}

func (w *wire) join(near net.Conn) {
	w.mu.Lock()
	target, broken := w.target, w.broken
	w.mu.Unlock()
	far, err := net.Dial("tcp", target)
	if err != nil || broken {
		near.Close()
		if err == nil {
			far.Close()
		}
		return
	}
	w.mu.Lock()
	w.conns[near], w.conns[far] = true, true
	w.mu.Unlock()
	copyAndClose := func(to, from net.Conn, gate sync.Locker) {
		buffer := make([]byte, 32768)
		for {
			gate.Lock()
			gate.Unlock()
			n, err := from.Read(buffer)
			if n > 0 {
				_, err = to.Write(buffer[:n])
			}
			if err != nil {
				break
			}
		}
		to.Close()
		w.mu.Lock()
		delete(w.conns, from)
		w.mu.Unlock()
	}
	go copyAndClose(near, far, w.gate.RLocker())
	copyAndClose(far, near, &sync.Mutex{})
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	for conn := range w.conns {
		conn.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	w.broken = false
	w.mu.Unlock()
}

func (w *wire) stall() { w.gate.Lock() }

func (w *wire) unstall() { w.gate.Unlock() }

func (w *wire) lead(target string) {
	w.mu.Lock()
	w.target = target
	w.mu.Unlock()
}

// event is what a client or a subscription was told.
type event struct {
	name    string
	context any
}

type recorder struct {
	t    *testing.T
	mu   sync.Mutex
	more *sync.Cond
	log  []event
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{t: t}
	r.more = sync.NewCond(&r.mu)
	return r
}

func (r *recorder) record(name string, context any) {
	r.mu.Lock()
	r.log = append(r.log, event{name, context})
	r.mu.Unlock()
	r.more.Broadcast()
}

func all[T any](r *recorder) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []T
	for _, each := range r.log {
		if context, ok := each.context.(T); ok {
			found = append(found, context)
		}
	}
	return found
}

func last[T any](r *recorder) T {
	r.t.Helper()
	found := all[T](r)
	if len(found) == 0 {
		r.t.Fatalf("no %T in %v", *new(T), r)
	}
	return found[len(found)-1]
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf("%+v", r.log)
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return text
}

// when waits until the condition holds.
func (r *recorder) when(what string, condition func() bool) {
	r.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		r.mu.Lock()
		late = true
		r.mu.Unlock()
		r.more.Broadcast()
	})
	defer timer.Stop()
	for {
		r.mu.Lock()
		seen := len(r.log)
		r.mu.Unlock()
		if condition() {
			return
		}
		r.mu.Lock()
		for len(r.log) == seen && !late {
			r.more.Wait()
		}
		expired := len(r.log) == seen
		r.mu.Unlock()
		if expired {
			r.t.Fatalf("no %s in %v", what, r)
		}
	}
}

// until waits for that many events of a type and gives the last of them.
func until[T any](r *recorder, count int) T {
	r.t.Helper()
	r.when(fmt.Sprintf("%d times %T", count, *new(T)), func() bool { return len(all[T](r)) >= count })
	return all[T](r)[count-1]
}

// client is a client of the SDK with its events, behind a wire of its own.
type client struct {
	*recorder
	*centrifuge.Client
	wire *wire
}

func newClient(t *testing.T, s *server, config centrifuge.Config) *client {
	w := newWire(t, s.address)
	config.MinReconnectDelay = 50 * time.Millisecond
	config.MaxReconnectDelay = 400 * time.Millisecond
	sdk := centrifuge.NewJsonClient("ws://"+w.listener.Addr().String()+"/connection/websocket", config)
	c := &client{newRecorder(t), sdk, w}
	sdk.OnConnecting(func(e centrifuge.ConnectingEvent) { c.record("connecting", e) })
	sdk.OnConnected(func(e centrifuge.ConnectedEvent) { c.record("connected", e) })
	sdk.OnDisconnected(func(e centrifuge.DisconnectedEvent) { c.record("disconnected", e) })
	sdk.OnError(func(e centrifuge.ErrorEvent) { c.record("error", e) })
	sdk.OnMessage(func(e centrifuge.MessageEvent) { c.record("message", e) })
	sdk.OnSubscribed(func(e centrifuge.ServerSubscribedEvent) { c.record("subscribed", e) })
	sdk.OnSubscribing(func(e centrifuge.ServerSubscribingEvent) { c.record("subscribing", e) })
	sdk.OnUnsubscribed(func(e centrifuge.ServerUnsubscribedEvent) { c.record("unsubscribed", e) })
	sdk.OnPublication(func(e centrifuge.ServerPublicationEvent) { c.record("publication", e) })
	sdk.OnJoin(func(e centrifuge.ServerJoinEvent) { c.record("join", e) })
	sdk.OnLeave(func(e centrifuge.ServerLeaveEvent) { c.record("leave", e) })
	t.Cleanup(sdk.Close)
	return c
}

func enter(t *testing.T, s *server, config centrifuge.Config) *client {
	t.Helper()
	c := newClient(t, s, config)
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	until[centrifuge.ConnectedEvent](c.recorder, 1)
	return c
}

// enterAs connects a user with a good token.
func enterAs(t *testing.T, user string) *client {
	t.Helper()
	return enter(t, token, centrifuge.Config{Token: jwt(object{"sub": user})})
}

func (c *client) id() string {
	c.t.Helper()
	return last[centrifuge.ConnectedEvent](c.recorder).ClientID
}

// lost cuts the wire and waits until the client knows.
func (c *client) lost() {
	c.t.Helper()
	before := len(all[centrifuge.ConnectingEvent](c.recorder))
	c.wire.cut()
	until[centrifuge.ConnectingEvent](c.recorder, before+1)
}

func (c *client) connectingCodes() []uint32 {
	var codes []uint32
	for _, each := range all[centrifuge.ConnectingEvent](c.recorder) {
		codes = append(codes, each.Code)
	}
	return codes
}

func (c *client) untilConnecting(code uint32) {
	c.t.Helper()
	c.when(fmt.Sprintf("code %d", code), func() bool {
		for _, each := range c.connectingCodes() {
			if each == code {
				return true
			}
		}
		return false
	})
}

// room is a subscription of the SDK with its events.
type room struct {
	*recorder
	*centrifuge.Subscription
}

func (c *client) room(channel string, config centrifuge.SubscriptionConfig) *room {
	c.t.Helper()
	config.MinResubscribeDelay = 50 * time.Millisecond
	config.MaxResubscribeDelay = 400 * time.Millisecond
	sdk, err := c.NewSubscription(channel, config)
	if err != nil {
		c.t.Fatal(err)
	}
	r := &room{newRecorder(c.t), sdk}
	sdk.OnSubscribing(func(e centrifuge.SubscribingEvent) { r.record("subscribing", e) })
	sdk.OnSubscribed(func(e centrifuge.SubscribedEvent) { r.record("subscribed", e) })
	sdk.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { r.record("unsubscribed", e) })
	sdk.OnError(func(e centrifuge.SubscriptionErrorEvent) { r.record("error", e) })
	sdk.OnPublication(func(e centrifuge.PublicationEvent) { r.record("publication", e) })
	sdk.OnJoin(func(e centrifuge.JoinEvent) { r.record("join", e) })
	sdk.OnLeave(func(e centrifuge.LeaveEvent) { r.record("leave", e) })
	return r
}

// subscribe subscribes and waits for the outcome.
func (c *client) subscribe(channel string, config ...centrifuge.SubscriptionConfig) *room {
	c.t.Helper()
	r := c.room(channel, append(config, centrifuge.SubscriptionConfig{})[0])
	if err := r.Subscribe(); err != nil {
		c.t.Fatal(err)
	}
	r.when("outcome", func() bool {
		return len(all[centrifuge.SubscribedEvent](r.recorder))+len(all[centrifuge.UnsubscribedEvent](r.recorder)) > 0
	})
	return r
}

func (r *room) data() []string {
	var texts []string
	for _, each := range all[centrifuge.PublicationEvent](r.recorder) {
		texts = append(texts, string(each.Data))
	}
	return texts
}

// outcomes tells of each subscribing whether it was recovering and recovered.
func (r *room) outcomes() [][2]bool {
	var pairs [][2]bool
	for _, each := range all[centrifuge.SubscribedEvent](r.recorder) {
		pairs = append(pairs, [2]bool{each.WasRecovering, each.Recovered})
	}
	return pairs
}

func (r *room) untilData(count int) []string {
	r.t.Helper()
	until[centrifuge.PublicationEvent](r.recorder, count)
	return r.data()
}

func numbered(first, last int) []string {
	var texts []string
	for i := first; i <= last; i++ {
		texts = append(texts, fmt.Sprintf(`{"i":%d}`, i))
	}
	return texts
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func fails(t *testing.T, err error, code uint32) {
	t.Helper()
	var wanted *centrifuge.Error
	if !errors.As(err, &wanted) || wanted.Code != code {
		t.Fatalf("got %v, want error %d", err, code)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

var background = context.Background()
