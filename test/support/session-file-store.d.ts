declare module "session-file-store" {
  type Session = typeof import("express-session");
  type StoreClass = new (options: object) => import("express-session").Store;
  export default function sessionFileStore(session: Session): StoreClass;
}
