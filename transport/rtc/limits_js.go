package rtc

// browserInbox is what a connection holds until it is received. A browser's
// channel cannot be made to wait: beyond it the connection is closed (see
// BROKER.md).
const browserInbox = 4 << 20
