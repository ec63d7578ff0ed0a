// Package centrifugo has the tests of the Go SDK against the server.
package centrifugo

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

type config = centrifuge.SubscriptionConfig

func skipOnReference(t *testing.T, why string) {
	if os.Getenv("SRL_REFERENCE") != "" {
		t.Skip(why)
	}
}

func user(t *testing.T) (string, *client) {
	t.Helper()
	name := fresh("user")
	return name, enterAs(t, name)
}

func TestConnectInsecure(t *testing.T) {
	t.Parallel()
	c := enter(t, insecure, centrifuge.Config{})
	if c.id() == "" {
		t.Fatal("no client id")
	}
}

func TestConnectWithJWT(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{256, 384, 512} {
		claims := object{"sub": "anna", "exp": in(600), "info": object{"n": "Ω"}}
		c := enter(t, token, centrifuge.Config{Token: signed(secret, bits, claims)})
		channel := fresh("room:")
		c.subscribe(channel)
		presence := token.api(t, "presence", object{"channel": channel})["presence"]
		equal(t, presence, any(object{c.id(): object{"user": "anna", "client": c.id(), "conn_info": object{"n": "Ω"}}}))
	}
}

func TestConnectRefused(t *testing.T) {
	t.Parallel()
	for text, code := range map[string]uint32{signed("other", 256, object{"sub": "x"}): 3500, "nonsense": 3500, "": 3501} {
		c := newClient(t, token, centrifuge.Config{Token: text})
		c.Connect()
		equal(t, until[centrifuge.DisconnectedEvent](c.recorder, 1).Code, code)
	}
}

func TestConnectionTokenExpiredOneIsReplaced(t *testing.T) {
	t.Parallel()
	renew := func(centrifuge.ConnectionTokenEvent) (string, error) { return jwt(object{"sub": "x"}), nil }
	c := newClient(t, token, centrifuge.Config{Token: jwt(object{"sub": "x", "exp": in(-5)}), GetToken: renew})
	c.Connect()
	until[centrifuge.ConnectedEvent](c.recorder, 1)
	fails(t, last[centrifuge.ErrorEvent](c.recorder).Error, 109)
}

func TestConnectionTokenRefreshed(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c := enter(t, token, centrifuge.Config{GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
		asked.Add(1)
		return jwt(object{"sub": "x", "exp": in(2)}), nil
	}})
	time.Sleep(5500 * time.Millisecond)
	if asked.Load() < 3 {
		t.Fatal("asked", asked.Load(), "times")
	}
	equal(t, len(all[centrifuge.ConnectedEvent](c.recorder)), 1)
}

func TestConnectionExpiry(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c := enter(t, token, centrifuge.Config{GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
		switch asked.Add(1) {
		case 1:
			return jwt(object{"sub": "x", "exp": in(2)}), nil
		case 2:
			time.Sleep(5 * time.Second)
		}
		return jwt(object{"sub": "x", "exp": in(600)}), nil
	}})
	c.untilConnecting(3005)
	until[centrifuge.ConnectedEvent](c.recorder, 2)
}

func TestDisconnectTerminal(t *testing.T) {
	t.Parallel()
	for _, code := range []uint32{3503, 3999, 4500, 4999} {
		name, c := user(t)
		token.api(t, "disconnect", object{"user": name, "disconnect": object{"code": code, "reason": "so it is"}})
		equal(t, until[centrifuge.DisconnectedEvent](c.recorder, 1), centrifuge.DisconnectedEvent{Code: code, Reason: "so it is"})
		time.Sleep(300 * time.Millisecond)
		equal(t, len(all[centrifuge.ConnectedEvent](c.recorder)), 1)
	}
}

func TestDisconnectAndReconnect(t *testing.T) {
	t.Parallel()
	for _, code := range []uint32{3100, 3499, 4000, 4499} {
		name, c := user(t)
		token.api(t, "disconnect", object{"user": name, "disconnect": object{"code": code, "reason": "come back"}})
		c.untilConnecting(code)
		until[centrifuge.ConnectedEvent](c.recorder, 2)
	}
}

func TestPingAndPong(t *testing.T) {
	t.Parallel()
	c := enter(t, insecure, centrifuge.Config{})
	time.Sleep(3500 * time.Millisecond)
	equal(t, len(all[centrifuge.ConnectedEvent](c.recorder)), 1)
	equal(t, c.State(), centrifuge.StateConnected)
}

func TestSubscribeAndPublish(t *testing.T) {
	t.Parallel()
	one := enter(t, token, centrifuge.Config{Token: jwt(object{"sub": "one", "info": object{"n": 1}})})
	_, two := user(t)
	channel := fresh("room:")
	rooms := []*room{one.subscribe(channel), two.subscribe(channel)}
	context := last[centrifuge.SubscribedEvent](rooms[0].recorder)
	equal(t, []any{context.Recoverable, context.Positioned, context.StreamPosition.Offset}, []any{true, true, uint64(0)})
	texts := []string{`{"text":"Привет 🙂"}`, `[1,2.50,1e3,-0,12345678901234567890]`, `"<&>\u0001\/"`, `null`, `0`}
	for _, text := range texts {
		must[centrifuge.PublishResult](t)(rooms[0].Publish(background, []byte(text)))
	}
	for _, r := range rooms {
		equal(t, r.untilData(len(texts)), texts)
		pub := all[centrifuge.PublicationEvent](r.recorder)[0]
		equal(t, pub.Offset, uint64(1))
		equal(t, *pub.Info, centrifuge.ClientInfo{User: "one", Client: one.id(), ConnInfo: []byte(`{"n":1}`)})
	}
	token.api(t, "publish", object{"channel": channel, "data": 1, "tags": object{"a": "b"}})
	equal(t, until[centrifuge.PublicationEvent](rooms[1].recorder, len(texts)+1).Tags, map[string]string{"a": "b"})
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	for prefix, code := range map[string]uint32{"unknown:": 102, "secret:": 103} {
		equal(t, last[centrifuge.UnsubscribedEvent](c.subscribe(fresh(prefix)).recorder).Code, code)
	}
	quiet := c.subscribe(fresh("quiet:"))
	_, err := quiet.Publish(background, []byte("{}"))
	fails(t, err, 103)
	_, err = quiet.Presence(background)
	fails(t, err, 108)
	_, err = quiet.History(background, centrifuge.WithHistoryLimit(1))
	fails(t, err, 108)
}

func TestPresenceAndPresenceStats(t *testing.T) {
	t.Parallel()
	channel := fresh("room:")
	one := enter(t, token, centrifuge.Config{Token: jwt(object{"sub": "same", "info": 7})})
	two := enterAs(t, "same")
	r, other := one.subscribe(channel), two.subscribe(channel)
	clients := must[centrifuge.PresenceResult](t)(r.Presence(background)).Clients
	equal(t, clients, map[string]centrifuge.ClientInfo{
		one.id(): {User: "same", Client: one.id(), ConnInfo: []byte("7")},
		two.id(): {User: "same", Client: two.id()},
	})
	stats := must[centrifuge.PresenceStatsResult](t)(r.PresenceStats(background))
	equal(t, []int{stats.NumClients, stats.NumUsers}, []int{2, 1})
	other.Unsubscribe()
	until[centrifuge.LeaveEvent](r.recorder, 1)
	equal(t, must[centrifuge.PresenceStatsResult](t)(r.PresenceStats(background)).NumClients, 1)
}

func TestHistory(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	channel := fresh("room:")
	r := c.subscribe(channel)
	token.publishMany(t, channel, 1, 10)
	epoch := last[centrifuge.SubscribedEvent](r.recorder).StreamPosition.Epoch
	since := func(offset uint64) centrifuge.HistoryOption {
		return centrifuge.WithHistorySince(&centrifuge.StreamPosition{Offset: offset, Epoch: epoch})
	}
	limit, reverse := centrifuge.WithHistoryLimit, centrifuge.WithHistoryReverse(true)
	read := func(want []uint64, options ...centrifuge.HistoryOption) {
		t.Helper()
		result := must[centrifuge.HistoryResult](t)(r.History(background, options...))
		equal(t, []any{result.Offset, result.Epoch}, []any{uint64(10), epoch})
		var offsets []uint64
		for _, pub := range result.Publications {
			offsets = append(offsets, pub.Offset)
		}
		equal(t, offsets, want)
	}
	read(nil)
	read(nil, limit(0))
	read([]uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, limit(-1))
	read([]uint64{5, 6, 7}, limit(3), since(4))
	read([]uint64{10, 9, 8}, limit(3), reverse)
	read([]uint64{4, 3, 2}, limit(3), since(5), reverse)
	_, err := r.History(background, limit(1), centrifuge.WithHistorySince(&centrifuge.StreamPosition{Offset: 4, Epoch: "wrong"}))
	fails(t, err, 112)
	_, err = r.History(background, limit(1), since(0), reverse)
	fails(t, err, 107)
}

func TestJoinAndLeave(t *testing.T) {
	t.Parallel()
	channel := fresh("ask:")
	_, one := user(t)
	_, two := user(t)
	name, three := user(t)
	asking, silent := one.subscribe(channel, config{JoinLeave: true}), two.subscribe(channel)
	three.subscribe(channel)
	equal(t, until[centrifuge.JoinEvent](asking.recorder, 3).User, name)
	three.Close()
	equal(t, until[centrifuge.LeaveEvent](asking.recorder, 1).User, name)
	equal(t, len(all[centrifuge.JoinEvent](silent.recorder)), 0)
}

func TestRPC(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	text := `{"a":["ё",1.0]}`
	equal(t, string(must[centrifuge.RPCResult](t)(c.RPC(background, "echo", []byte(text))).Data), text)
	_, err := c.RPC(background, "nothing", []byte("{}"))
	fails(t, err, 104)
	_, err = c.RPC(background, "fail", []byte("{}"))
	fails(t, err, 1234)
}

func TestSendAndMessage(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	if err := c.Send(background, []byte(`{"message":{"hello":["world"]}}`)); err != nil {
		t.Fatal(err)
	}
	equal(t, string(until[centrifuge.MessageEvent](c.recorder, 1).Data), `{"hello":["world"]}`)
}

func TestUnsubscribeByTheServer(t *testing.T) {
	t.Parallel()
	name, c := user(t)
	channel := fresh("room:")
	r := c.subscribe(channel)
	token.api(t, "unsubscribe", object{"user": name, "channel": channel})
	equal(t, until[centrifuge.UnsubscribedEvent](r.recorder, 1), centrifuge.UnsubscribedEvent{Code: 2000, Reason: "server unsubscribe"})
	time.Sleep(300 * time.Millisecond)
	equal(t, r.outcomes(), [][2]bool{{false, false}})
}

func TestUnsubscribeByTheServerWithResubscribe(t *testing.T) {
	t.Parallel()
	name, c := user(t)
	channel := fresh("room:")
	r := c.subscribe(channel)
	token.publishMany(t, channel, 1, 1)
	r.untilData(1)
	token.api(t, "unsubscribe", object{"user": name, "channel": channel, "code": 2500, "reason": "insufficient state"})
	token.publishMany(t, channel, 2, 2)
	equal(t, r.untilData(2), numbered(1, 2))
	equal(t, r.outcomes(), [][2]bool{{false, false}, {true, true}})
	equal(t, last[centrifuge.SubscribingEvent](r.recorder).Code, uint32(2500))
}

func TestUnsubscribeAndSubscribeManyTimes(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	r := c.subscribe(fresh("room:"))
	for i := 2; i < 22; i++ {
		r.Unsubscribe()
		r.Subscribe()
		until[centrifuge.SubscribedEvent](r.recorder, i)
	}
	equal(t, must[centrifuge.PresenceStatsResult](t)(r.PresenceStats(background)).NumClients, 1)
}

func TestSubscriptionToken(t *testing.T) {
	t.Parallel()
	c := enterAs(t, "holder")
	channel := fresh("$secret:")
	c.subscribe(channel, config{GetToken: func(e centrifuge.SubscriptionTokenEvent) (string, error) {
		return subscriptionToken(object{"sub": "holder", "channel": e.Channel, "info": object{"seat": 7}}), nil
	}})
	presence := token.api(t, "presence", object{"channel": channel})["presence"].(object)
	equal(t, presence[c.id()].(object)["chan_info"], any(object{"seat": 7.0}))
	wrong := fresh("secret:")
	r := c.subscribe(wrong, config{Token: jwt(object{"sub": "holder", "channel": wrong})})
	equal(t, last[centrifuge.UnsubscribedEvent](r.recorder).Code, uint32(103))
}

func TestSubscriptionTokenRefreshed(t *testing.T) {
	t.Parallel()
	c := enterAs(t, "holder")
	var asked atomic.Int32
	r := c.subscribe(fresh("secret:"), config{GetToken: func(e centrifuge.SubscriptionTokenEvent) (string, error) {
		asked.Add(1)
		return subscriptionToken(object{"sub": "holder", "channel": e.Channel, "exp": in(2)}), nil
	}})
	time.Sleep(5500 * time.Millisecond)
	if asked.Load() < 3 {
		t.Fatal("asked", asked.Load(), "times")
	}
	equal(t, len(r.outcomes()), 1)
}

func TestSubscriptionExpiry(t *testing.T) {
	t.Parallel()
	c := enterAs(t, "holder")
	var asked atomic.Int32
	r := c.subscribe(fresh("secret:"), config{GetToken: func(e centrifuge.SubscriptionTokenEvent) (string, error) {
		lifetime := int64(600)
		switch asked.Add(1) {
		case 1:
			lifetime = 2
		case 2:
			time.Sleep(5 * time.Second)
		}
		return subscriptionToken(object{"sub": "holder", "channel": e.Channel, "exp": in(lifetime)}), nil
	}})
	until[centrifuge.SubscribedEvent](r.recorder, 2)
	equal(t, last[centrifuge.SubscribingEvent](r.recorder).Code, uint32(2501))
}

func TestBatch100Rooms(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	var rooms []*room
	for range 100 {
		rooms = append(rooms, c.room(fresh("room:"), config{}))
	}
	for _, r := range rooms {
		r.Subscribe()
	}
	for i, r := range rooms {
		until[centrifuge.SubscribedEvent](r.recorder, 1)
		must[centrifuge.PublishResult](t)(r.Publish(background, []byte(fmt.Sprint(i))))
	}
	for i, r := range rooms {
		equal(t, r.untilData(1), []string{fmt.Sprint(i)})
	}
}

func TestServerSideSubscriptions(t *testing.T) {
	t.Parallel()
	name, channel, later := fresh("user"), fresh("room:"), fresh("room:")
	c := newClient(t, token, centrifuge.Config{Token: jwt(object{"sub": name, "channels": []string{channel}})})
	of := func(wanted string) (texts []string) {
		for _, each := range all[centrifuge.ServerPublicationEvent](c.recorder) {
			if each.Channel == wanted {
				texts = append(texts, string(each.Data))
			}
		}
		return texts
	}
	c.Connect()
	context := until[centrifuge.ServerSubscribedEvent](c.recorder, 1)
	equal(t, []any{context.Channel, context.Recoverable, context.Positioned}, []any{channel, true, true})
	token.publishMany(t, channel, 1, 3)
	c.when("publications", func() bool { return len(of(channel)) == 3 })
	token.api(t, "subscribe", object{"user": name, "channel": later, "data": object{"why": 1}})
	context = until[centrifuge.ServerSubscribedEvent](c.recorder, 2)
	equal(t, []any{context.Channel, string(context.Data)}, []any{later, `{"why":1}`})
	token.publishMany(t, later, 1, 2)
	c.when("publications", func() bool { return len(of(later)) == 2 })
	token.api(t, "unsubscribe", object{"user": name, "channel": later})
	equal(t, until[centrifuge.ServerUnsubscribedEvent](c.recorder, 1).Channel, later)
	c.lost()
	token.publishMany(t, channel, 4, 60)
	c.wire.mend()
	c.when("publications", func() bool { return len(of(channel)) >= 60 })
	equal(t, of(channel), numbered(1, 60))
	context = last[centrifuge.ServerSubscribedEvent](c.recorder)
	equal(t, []bool{context.WasRecovering, context.Recovered}, []bool{true, true})
}

func TestChannelCompaction(t *testing.T) {
	t.Parallel()
	_, one := user(t)
	_, two := user(t)
	names := []string{fresh("compact:"), fresh("compact:")}
	rooms := []*room{one.subscribe(names[0]), one.subscribe(names[1])}
	two.subscribe(names[1])
	for i, name := range names {
		must[centrifuge.PublishResult](t)(two.Publish(background, name, []byte(fmt.Sprint(i))))
		equal(t, rooms[i].untilData(1), []string{fmt.Sprint(i)})
	}
	until[centrifuge.JoinEvent](rooms[1].recorder, 2)
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	channel := fresh("room:")
	r := c.subscribe(channel)
	token.publishMany(t, channel, 1, 5)
	r.untilData(5)
	c.lost()
	token.publishMany(t, channel, 6, 150)
	c.wire.mend()
	until[centrifuge.SubscribedEvent](r.recorder, 2)
	token.publishMany(t, channel, 151, 155)
	equal(t, r.untilData(155), numbered(1, 155))
	equal(t, r.outcomes(), [][2]bool{{false, false}, {true, true}})
}

func TestRecoveryWhilePublicationsGoOn(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	channel := fresh("room:")
	r := c.subscribe(channel)
	var done atomic.Bool
	stopped := make(chan struct{})
	go func() {
		for !done.Load() {
			time.Sleep(150 * time.Millisecond)
			c.wire.cut()
			time.Sleep(20 * time.Millisecond)
			c.wire.mend()
		}
		close(stopped)
	}()
	for i := 1; i <= 600; i++ {
		token.publishMany(t, channel, i, i)
		time.Sleep(3 * time.Millisecond) // fewer are missed at a time than can be recovered
	}
	done.Store(true)
	<-stopped
	equal(t, r.untilData(600), numbered(1, 600))
	if len(r.outcomes()) < 2 {
		t.Fatal("never reconnected")
	}
}

func TestRecoveryFails(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	channel := fresh("short:")
	r := c.subscribe(channel)
	token.publishMany(t, channel, 1, 2)
	r.untilData(2)
	c.lost()
	token.publishMany(t, channel, 3, 10)
	c.wire.mend()
	context := until[centrifuge.SubscribedEvent](r.recorder, 2)
	equal(t, []any{context.WasRecovering, context.Recovered, context.StreamPosition.Offset}, []any{true, false, uint64(10)})
	token.publishMany(t, channel, 11, 11)
	equal(t, r.untilData(3)[2], `{"i":11}`)
}

func restart(t *testing.T, old *server) *server {
	t.Helper()
	if err := old.stop(); err != nil {
		t.Fatal(err)
	}
	return must[*server](t)(start("token"))
}

func TestRecoveryFailsServerRestarted(t *testing.T) {
	t.Parallel()
	first := must[*server](t)(start("token"))
	c := enter(t, first, centrifuge.Config{Token: jwt(object{"sub": "x"})})
	channel := fresh("room:")
	r := c.subscribe(channel)
	first.publishMany(t, channel, 1, 3)
	r.untilData(3)
	second := restart(t, first)
	second.publishMany(t, channel, 4, 8)
	c.wire.lead(second.address)
	until[centrifuge.SubscribedEvent](r.recorder, 2)
	equal(t, r.outcomes()[1], [2]bool{true, false})
	c.Close()
	if err := second.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestGetState(t *testing.T) {
	t.Parallel()
	skipOnReference(t, "the reference does not know the flag of GetState")
	_, c := user(t)
	channel := fresh("short:")
	token.publishMany(t, channel, 1, 3)
	var asked atomic.Int32
	r := c.subscribe(channel, config{GetState: func(centrifuge.SubscriptionGetStateEvent) (centrifuge.StreamPosition, error) {
		asked.Add(1)
		top, err := c.History(background, channel)
		return centrifuge.StreamPosition{Offset: top.Offset - 1, Epoch: top.Epoch}, err
	}})
	r.untilData(1)
	c.lost()
	token.publishMany(t, channel, 4, 7)
	c.wire.mend()
	equal(t, r.untilData(5), numbered(3, 7))
	equal(t, asked.Load(), int32(1))
	c.lost()
	token.publishMany(t, channel, 8, 20)
	c.wire.mend()
	equal(t, r.untilData(6)[5], `{"i":20}`)
	equal(t, asked.Load(), int32(2))
}

func TestPositionedInsufficientState(t *testing.T) {
	t.Parallel()
	name, c := user(t)
	channel := fresh("ask:")
	r := c.subscribe(channel, config{Positioned: true})
	context := last[centrifuge.SubscribedEvent](r.recorder)
	equal(t, []bool{context.Positioned, context.Recoverable}, []bool{true, false})
	token.api(t, "unsubscribe", object{"user": name, "channel": channel, "code": 2500, "reason": "insufficient state"})
	until[centrifuge.SubscribedEvent](r.recorder, 2)
	equal(t, last[centrifuge.SubscribingEvent](r.recorder).Code, uint32(2500))
	token.publishMany(t, channel, 1, 1)
	r.untilData(1)
	equal(t, len(all[centrifuge.ConnectedEvent](c.recorder)), 1)
}

func TestCacheRecovery(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	channel := fresh("cache:")
	r := c.subscribe(channel)
	token.publishMany(t, channel, 1, 2)
	r.untilData(2)
	c.lost()
	token.publishMany(t, channel, 3, 400)
	c.wire.mend()
	equal(t, r.untilData(3), []string{`{"i":1}`, `{"i":2}`, `{"i":400}`})
	equal(t, r.outcomes()[1], [2]bool{true, true})
}

func TestSlowClient(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	channel := fresh("room:")
	r := c.subscribe(channel)
	c.wire.stall()
	count, text := 0, strings.Repeat("x", 60000)
	for count < 290 && token.api(t, "presence_stats", object{"channel": channel})["num_clients"] == 1.0 {
		count++
		token.publish(t, channel, object{"i": count, "text": text})
	}
	if count == 290 {
		t.Fatal("the server never gave up the slow client")
	}
	c.wire.unstall()
	for i, each := range r.untilData(count) {
		equal(t, each[:strings.IndexByte(each, ',')], fmt.Sprintf(`{"i":%d`, i+1))
	}
	equal(t, c.connectingCodes(), []uint32{0, 3008})
}

func versions(alphabet string, count int) []string {
	roll := rand.New(rand.NewSource(42))
	letters := []rune(alphabet)
	some := func(n int) (text []rune) {
		for range n {
			text = append(text, letters[roll.Intn(len(letters))])
		}
		return text
	}
	text := some(3000)
	var documents []string
	for i := range count {
		for range 1 + roll.Intn(4) {
			at := roll.Intn(len(text) - 4)
			text = slices.Concat(text[:at], some(roll.Intn(4)), text[at+roll.Intn(4):])
		}
		document, _ := json.Marshal(object{"version": i, "text": string(text)})
		documents = append(documents, string(document))
	}
	return documents
}

func followDelta(t *testing.T, alphabet string) {
	_, c := user(t)
	channel := fresh("delta:")
	r := c.subscribe(channel, config{Delta: centrifuge.DeltaTypeFossil})
	documents := versions(alphabet, 120)
	publish := func(some []string) {
		for _, document := range some {
			must[centrifuge.PublishResult](t)(r.Publish(background, []byte(document)))
		}
	}
	missed := func(some []string) {
		for _, document := range some {
			token.publish(t, channel, json.RawMessage(document))
		}
	}
	publish(documents[:60])
	r.untilData(60)
	c.lost()
	missed(documents[60:70])
	c.wire.mend()
	r.untilData(70)
	c.lost()
	c.wire.mend()
	until[centrifuge.SubscribedEvent](r.recorder, 3)
	publish(documents[70:])
	equal(t, r.untilData(120), documents)
}

func TestDeltaASCII(t *testing.T) {
	t.Parallel()
	followDelta(t, "abcdefghijklmnopqrstuvwxyz ,.")
}

func TestDeltaCyrillic(t *testing.T) {
	t.Parallel()
	skipOnReference(t, "patches of the reference may split characters")
	followDelta(t, "абвгдежзийклмнопрстуфхцчшщъыьэюя ")
}

func TestDeltaEmoji(t *testing.T) {
	t.Parallel()
	skipOnReference(t, "patches of the reference may split characters")
	followDelta(t, "🙂🚀👩🏳🌈漢éa 🙃🙁\U0010ffff")
}

func TestTagsFilter(t *testing.T) {
	t.Parallel()
	_, c := user(t)
	channel := fresh("tags:")
	filter := centrifuge.FilterAnd(centrifuge.FilterEq("kind", "a"),
		centrifuge.FilterOr(centrifuge.FilterGt("price", "9"), centrifuge.FilterNot(centrifuge.FilterExists("price"))))
	r := c.subscribe(channel, config{TagsFilter: filter})
	for i, tags := range []object{{"kind": "a", "price": "9"}, {"kind": "a", "price": "10"}, {"kind": "b"}, {"kind": "a"}, {}} {
		token.api(t, "publish", object{"channel": channel, "data": i, "tags": tags})
	}
	r.untilData(2)
	c.lost()
	token.publishMany(t, channel, 1, 3)
	c.wire.mend()
	until[centrifuge.SubscribedEvent](r.recorder, 2)
	token.api(t, "publish", object{"channel": channel, "data": 9, "tags": object{"kind": "a"}})
	equal(t, r.untilData(3), []string{"1", "3", "9"})
	equal(t, r.outcomes()[1], [2]bool{true, true})
}
