export { cookiesFor, type TestCookie } from "./cookies-for.js";
export { type FakeClock, fakeClock } from "./fake-clock.js";
export { type LoginAsOptions, loginAs, type TestTokens } from "./login-as.js";
export { DEMO_USERS, type DemoUser } from "./provider/demo-users.js";
export type {
  IdTokenChanges,
  LocalProvider,
  LocalProviderOptions,
  LogoutResponse,
  LogoutSubject,
  ProviderClient,
  RecordedRequest,
  Responder,
  Signer,
  SigningAlg,
  TokenResponseWriter,
  WrittenResponse,
} from "./provider/local-provider.js";
export type { SignInResult } from "./sign-in.js";
export { startTestProvider, type TestProvider, type TestProviderOptions } from "./start-test-provider.js";
export {
  type RecordStoreCheck,
  type RecordStoreChecksOptions,
  recordStoreChecks,
} from "./store-checks/record-store-checks.js";
