/** What a browser reaches a server through, and what can be pulled out: then nothing answers, and what was open breaks. */

import { connect, createServer, type Socket } from "node:net";
import { atEnd } from "./at-end";

export interface Cable {
  readonly url: string;
  pull(): void;
  plugIn(): void;
}

export async function startCable(serverUrl: string): Promise<Cable> {
  const port = Number(new URL(serverUrl).port);
  const open = new Set<Socket>();
  let isIn = true;
  const outlet = createServer((near) => {
    if (!isIn) return near.resetAndDestroy();
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      // An error is the end of the other side, too; what it was is nobody's concern here.
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  const plugIn = () => {
    isIn = true;
  };
  const pull = () => {
    isIn = false;
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => outlet.listen(0, "127.0.0.1", resolve));
  atEnd(() => {
    pull();
    outlet.close();
  });
  const address = outlet.address();
  if (address === null || typeof address === "string") throw new Error("The cable has no port.");
  return { url: `http://127.0.0.1:${address.port}`, pull, plugIn };
}
