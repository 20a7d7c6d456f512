// What the page asks the server: what there is to see, a decision, and taking the last one back.
// Decisions are sent one after the other, in the order in which they were made.

let queue = Promise.resolve();
let waiting = 0;

export const thumbnail = (n) => `/api/thumbnail/${n}`;
export const large = (n) => `/api/picture/${n}`;

export async function load() {
  return answer(await fetch("/api/review"));
}

export function decide(picture, action, label, reason) {
  return send("/api/decide", { picture, action, label, reason });
}

export function undo() {
  return send("/api/undo", {});
}

function send(url, body) {
  waiting += 1;
  const request = queue.then(async () =>
    answer(
      await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    ),
  );
  queue = request.catch(() => {}).finally(() => (waiting -= 1));
  return request;
}

async function answer(response) {
  if (response.status === 401) throw new Error("The server was started anew: open the address that it printed.");
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new Error(typeof said.detail === "string" ? said.detail : `The server answered ${response.status}.`);
  }
  return response.json();
}

addEventListener("beforeunload", (event) => {
  if (waiting > 0) event.preventDefault();
});
