-- The voucher that was deactivated last, by NAV's own records.
SELECT TOP (1)
    CAST(v.[ID_Company] AS nvarchar(20)) AS company_code,
    CAST(v.[Voucher_No] AS bigint) AS voucher_id,
    CAST(v.[Voucher_Code] AS nvarchar(30)) AS voucher_code,
    CAST(v.[Deactivation_Date] AS datetime) AS inactive_at,
    CAST(v.[Face_Value] AS decimal(38, 20)) AS remaining_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[StoreCreditVoucher] AS v
INNER JOIN [AIG_Nav_DW].[dbo].[Companies] AS co
    ON co.[Company Code] = v.[ID_Company]
WHERE v.[Deactivation_Date] < @cutoff
    AND v.[Expiry_Date] >= @cutoff
    AND v.[Business_Use] IN (@business_uses)
    AND co.[In Consolidation] = 1
    AND NOT EXISTS (
        SELECT 1
        FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
        WHERE i.[company] = v.[ID_Company] AND i.[store_credit_code] = v.[Voucher_Code]
    )
ORDER BY v.[Deactivation_Date] DESC, v.[ID_Company], v.[Voucher_No]
