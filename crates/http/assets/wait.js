// Moves the waiting page along: listens for the state of the request and acts once. Everything here is a convenience; the
// page works without it.
(() => {
  "use strict";

  const wait = document.getElementById("wait");
  if (!wait) return;
  const { events: eventsUrl, status: statusUrl, done: doneUrl } = wait.dataset;
  const quickest = 1500;
  const slowest = 10000;
  let source = null;
  let timer = 0;
  let pause = quickest;
  let over = false;

  const finish = () => {
    over = true;
    clearTimeout(timer);
    if (source) source.close();
  };

  const act = (state) => {
    if (over) return;
    if (state === "approved") {
      finish();
      const status = document.getElementById("status");
      const text = document.getElementById("status-text");
      if (status && text) text.textContent = status.dataset.approved;
      document.getElementById("finish").requestSubmit();
    } else if (state === "redeemed") {
      finish();
      location.assign(doneUrl);
    } else if (state === "dead") {
      finish();
      // Should the server still answer with this page, do not reload in a hurry.
      const [visit] = performance.getEntriesByType("navigation");
      setTimeout(() => location.reload(), visit && visit.type === "reload" ? slowest : 0);
    }
  };

  const read = (text) => {
    try {
      const { state } = JSON.parse(text);
      act(state);
    } catch {
      // Not ours; the next message will tell.
    }
  };

  const ask = async () => {
    try {
      const answer = await fetch(statusUrl, { cache: "no-store", headers: { accept: "application/json" } });
      if (!answer.ok) return false;
      read(await answer.text());
      return true;
    } catch {
      return false;
    }
  };

  const poll = async () => {
    clearTimeout(timer);
    const answered = await ask();
    clearTimeout(timer);
    if (over || (source && source.readyState === EventSource.OPEN)) return;
    pause = answered ? quickest : Math.min(pause * 2, slowest);
    timer = setTimeout(poll, pause);
  };

  const listen = () => {
    if (!eventsUrl || !("EventSource" in window)) return poll();
    source = new EventSource(eventsUrl);
    source.onmessage = (event) => read(event.data);
    source.onopen = () => clearTimeout(timer);
    source.onerror = () => {
      // The browser reconnects by itself unless the stream is closed for good; ask meanwhile, so that nothing is missed.
      clearTimeout(timer);
      timer = setTimeout(poll, 1000);
    };
  };

  // A tab in the background may have been frozen.
  const wake = () => {
    if (!over && document.visibilityState === "visible") ask();
  };

  const countDown = () => {
    const line = document.getElementById("resend-wait");
    const button = document.getElementById("resend");
    if (!line || !button) return;
    const end = performance.now() + Number(line.dataset.seconds) * 1000;
    const { seconds, last } = line.dataset;
    const text = line.textContent;
    const tick = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      if (left > 0) {
        line.textContent = left === 1 ? last : text.replace(seconds, String(left));
        setTimeout(tick, 1000);
      } else {
        line.remove();
        button.disabled = false;
        button.removeAttribute("aria-describedby");
      }
    };
    tick();
  };

  // How long a QR code still works. Not announced: a voice that counts seconds helps nobody.
  const countLife = () => {
    const line = document.getElementById("left");
    if (!line) return;
    const end = performance.now() + Number(line.dataset.seconds) * 1000;
    const tick = () => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      line.textContent = line.dataset.text.replace("{time}", time);
      if (left > 0 && !over) setTimeout(tick, 1000);
    };
    tick();
  };

  const offerCopy = () => {
    const button = document.getElementById("copy");
    const link = document.getElementById("link");
    if (!button || !link || !navigator.clipboard) return;
    const text = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(link.textContent);
        button.textContent = button.dataset.copied;
        setTimeout(() => (button.textContent = text), 3000);
      } catch {
        getSelection().selectAllChildren(link);
      }
    });
  };

  countDown();
  countLife();
  offerCopy();
  if (wait.dataset.state === "pending") {
    listen();
    document.addEventListener("visibilitychange", wake);
    addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
  }
})();
