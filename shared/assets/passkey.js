// Passkeys: the browser is asked as `data-passkey-options` says, and its answer goes into the form's field `assertion`.
// Options with a `user` register a passkey, others use one.
"use strict";
for (const form of document.querySelectorAll("form[data-passkey-options]")) {
  const says = form.dataset, options = JSON.parse(says.passkeyOptions), isNew = "user" in options;
  const status = form.querySelector("[role=status]"), button = form.querySelector("button[hidden]");
  const party = isNew ? options.rp.id : options.rpId;
  let waits = false;
  const say = (text, isTrouble = false) => {
    status.textContent = text;
    status.classList.toggle("trouble", isTrouble);
  };

  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const known = (list) => list.map((one) => ({ ...one, id: bytes(one.id) }));

  // Browsers differ in whether they read and write this JSON themselves, so it is done here.
  const ask = () => {
    const publicKey = { ...options, challenge: bytes(options.challenge) };
    if (!isNew) return navigator.credentials.get({ publicKey });
    publicKey.user = { ...options.user, id: bytes(options.user.id) };
    publicKey.excludeCredentials = known(options.excludeCredentials);
    return navigator.credentials.create({ publicKey });
  };
  const answer = ({ id, type, response }) => JSON.stringify({
    id,
    rawId: id,
    type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      ...(isNew
        ? { attestationObject: text(response.attestationObject), transports: response.getTransports?.() ?? [] }
        : {
          authenticatorData: text(response.authenticatorData),
          signature: text(response.signature),
          userHandle: response.userHandle && text(response.userHandle),
        }),
    },
  });

  button.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (waits) return;
    const host = location.hostname;
    if (host !== party && !host.endsWith(`.${party}`)) {
      const address = location.protocol + "//" + party + (location.port && ":" + location.port);
      say(says.elsewhere.replace("{address}", address), true);
      return;
    }
    if (!globalThis.PublicKeyCredential) {
      say(says.unsupported, true);
      return;
    }
    waits = true;
    say(says.waiting);
    try {
      form.elements.assertion.value = answer(await ask());
      // Without another event: the form is sent now.
      form.submit();
    } catch (error) {
      waits = false;
      say((error.name === "InvalidStateError" && says.known) || says.cancelled, true);
    }
  });
  // Back on this page, it can be asked again.
  addEventListener("pageshow", () => {
    waits = false;
    form.elements.assertion.value = "";
    say("");
  });
}
