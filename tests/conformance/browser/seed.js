// Connect to StreamRelay via WebSocket
const ws = new WebSocket('ws://localhost:8080/ws');

let cmdId = 0;

// Connect command
ws.onopen = () => {
    ws.send(JSON.stringify({
        id: ++cmdId,
        type: 'connect',
        data: { token: 'user_alice' }
    }));
};

// Subscribe to a channel
function subscribe(channel) {
    ws.send(JSON.stringify({
        id: ++cmdId,
        type: 'subscribe',
        channel: channel,
        data: { recover: true }
    }));
}

// Publish a message
function publish(channel, message) {
    ws.send(JSON.stringify({
        id: ++cmdId,
        type: 'publish',
        channel: channel,
        data: { data: message }
    }));
}

// Handle incoming messages
ws.onmessage = (event) => {
    const msg = JSON.parse(event.data);
    
    if (msg.reply) {
        // Response to our command
        console.log('Reply:', msg.reply);
    } else if (msg.push) {
        // Server push
        switch (msg.push.type) {
            case 'message':
                console.log('New message:', msg.push.data);
                break;
            case 'join':
                console.log('User joined:', msg.push.data);
                break;
            case 'leave':
                console.log('User left:', msg.push.data);
                break;
        }
    }
};
