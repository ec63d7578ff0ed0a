// Command peer is a client for tests of several languages: peer URL TOKEN CHANNEL
//
// It prints a line of JSON for everything it hears in the channel, and publishes every line of its standard input there.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/centrifugal/centrifuge-go"
)

type object = map[string]any

var output sync.Mutex

func tell(what object) {
	text, err := json.Marshal(what)
	if err != nil {
		log.Fatal(err)
	}
	output.Lock()
	defer output.Unlock()
	fmt.Println(string(text))
}

func main() {
	client := centrifuge.NewJsonClient(os.Args[1], centrifuge.Config{Token: os.Args[2]})
	subscription, err := client.NewSubscription(os.Args[3], centrifuge.SubscriptionConfig{Delta: centrifuge.DeltaTypeFossil})
	if err != nil {
		log.Fatal(err)
	}
	subscription.OnSubscribed(func(centrifuge.SubscribedEvent) { tell(object{"event": "subscribed"}) })
	subscription.OnPublication(func(e centrifuge.PublicationEvent) {
		what := object{"event": "publication", "data": json.RawMessage(e.Data), "offset": e.Offset, "user": nil}
		if e.Info != nil {
			what["user"] = e.Info.User
		}
		tell(what)
	})
	subscription.OnJoin(func(e centrifuge.JoinEvent) { tell(object{"event": "join", "user": e.User}) })
	subscription.OnLeave(func(e centrifuge.LeaveEvent) { tell(object{"event": "leave", "user": e.User}) })
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	if err := subscription.Subscribe(); err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if _, err := subscription.Publish(context.Background(), lines.Bytes()); err != nil {
			log.Fatal(err)
		}
	}
	client.Close()
}
