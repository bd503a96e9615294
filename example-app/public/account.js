import "./times.js";
import "./token-bars.js";
import "./twenty-calls.js";
import "./api-calls.js";
import "./session-end.js";
