declare module "cookie-session" {
  export default function cookieSession(options: object): unknown;
}
