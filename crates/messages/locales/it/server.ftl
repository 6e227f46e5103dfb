# The process of a TPM, what of it a person reads: crates/server.

volatile-not-used = lo stato volatile salvato non viene usato: { $why }
tpm-not-started = il TPM non si è avviato dal suo stato; il suo stato non è stato modificato; il log dice perché
process-not-set-up = impossibile preparare il processo: { $error }
seccomp-not-set = impossibile impostare il filtro seccomp ({ $error }); nulla è stato avviato; --seccomp action=none ne fa a meno
passphrase-not-stretched = non è stato possibile ricavare una chiave dalla passphrase; c'è ancora memoria?
blob-not-whole = non è un blob di stato completo di sigillo
blob-version = questo blob di stato ha una versione scritta da una versione successiva di sigillo
blob-other-key = questo blob di stato è sigillato con un'altra chiave
blob-not-sealed = questo blob di stato non è sigillato, ed è stata fornita una chiave di migrazione
blob-sealing-failed = non è stato possibile sigillare il blob di stato
profile-unknown = il profilo TPM { $name } non esiste; ci sono { $names }
descriptor-unusable = impossibile usare il descrittore { $number }: { $error }
key-is-empty = la chiave è vuota (deve avere da 1 a { $limit } byte)
key-is-too-long = la chiave è troppo lunga (deve avere da 1 a { $limit } byte)
startup-failed = TPM2_Startup non è riuscito: codice di risposta { $code }
