declare module "cookie-parser" {
  import type { RequestHandler } from "express";
  /** As far as tests need it. */
  export default function cookieParser(secret?: string): RequestHandler;
}
