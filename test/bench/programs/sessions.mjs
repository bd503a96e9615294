export const SECRET = "0123456789abcdef0123456789abcdef";

const cookie = { httpOnly: true, sameSite: "lax" };

/**
 * Options of express-session: the required ones, or those for sessions that expire after a day without a
 * request.
 */
export const SESSIONS = {
  plain: { secret: SECRET, resave: false, saveUninitialized: false, cookie },
  idle: {
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    rolling: true,
    cookie: { ...cookie, maxAge: 24 * 60 * 60 * 1000 },
  },
};
