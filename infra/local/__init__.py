"""What a local stack starts and needs: processes, certificates, the emulator of ACR."""
