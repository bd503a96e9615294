import { connect, createServer } from "node:net";
import { serve } from "./serve.js";

/** Returns the URL of the app at another host than the provider's. For a browser, that is another site. */
export async function startAnotherSite(): Promise<{ origin: string; leadTo(port: string): void }> {
  let to = 0;
  const front = createServer((socket) => {
    const app = connect(to, "127.0.0.1");
    socket.on("error", () => app.destroy());
    app.on("error", () => socket.destroy());
    socket.pipe(app).pipe(socket);
  });
  const origin = await serve(front, "localhost");
  const leadTo = (port: string) => {
    to = Number(port);
  };
  return { origin, leadTo };
}
