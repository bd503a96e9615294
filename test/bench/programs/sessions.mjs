export const SECRET = "0123456789abcdef0123456789abcdef";

const cookie = { httpOnly: true, sameSite: "lax" };

/** What an app hands to express-session: as little as it may, or what makes sessions end after a day without a request. */
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
