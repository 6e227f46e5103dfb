# LUKS2 volumes on /dev/vda that systemd-cryptenroll binds to the TPM.
export SYSTEMD_LOG_LEVEL=info
mkdir -p /run/cryptsetup
printf recovery >pw
fresh() { cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file pw /dev/vda; }
enroll() { PASSWORD=recovery systemd-cryptenroll --tpm2-device=auto "$@" /dev/vda; }
attach() { systemd-cryptsetup attach vol /dev/vda - tpm2-device=auto,headless=1 && [ -e /dev/mapper/vol ]; }
detach() { systemd-cryptsetup detach vol && [ ! -e /dev/mapper/vol ]; }
refused() { ! "$@"; }
opens() { attach && detach; }
by_token() { cryptsetup open --token-only --token-type systemd-tpm2 /dev/vda vol && cryptsetup close vol; }
keeps() { attach && printf kept | dd of=/dev/mapper/vol bs=512 conv=sync && detach && attach && [ "$(dd if=/dev/mapper/vol bs=4 count=1)" = kept ] && detach; }
pin() { fresh && NEWPIN=1234 enroll --tpm2-pcrs=7 --tpm2-with-pin=yes; }
by_pin() { PIN=$1 systemd-cryptsetup attach vol /dev/vda - tpm2-device=auto,headless=1 && detach; }
extend() { tpm2 pcrextend "$1:sha256=0202020202020202020202020202020202020202020202020202020202020202"; }

t device systemd-cryptenroll --tpm2-device=list
t format fresh
t enroll_pcr7 enroll --tpm2-pcrs=7
t opens opens
t opens_by_token by_token
t keeps keeps
t wipe systemd-cryptenroll --wipe-slot=tpm2 /dev/vda
t refused_after_wipe refused attach
t enroll_many enroll --tpm2-pcrs=0+2+4+7+16
t opens_many opens
t enroll_no_pcr enroll --wipe-slot=tpm2 --tpm2-pcrs=
t opens_no_pcr opens
t enroll_pin pin
t opens_with_pin by_pin 1234
t refused_wrong_pin refused by_pin 4321
t opens_with_pin_again by_pin 1234
t refused_without_pin refused attach
t enroll_before_extend enroll --wipe-slot=tpm2 --tpm2-pcrs=7
t opens_before_extend opens
t extend extend 7
t refused_after_extend refused attach
end
