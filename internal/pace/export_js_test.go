package pace

// Poster is poster, for tests.
var Poster = poster
